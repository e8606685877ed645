import pytest
import torch
from torch import nn

from tests.core.models.towers import TRANSFORMERS, images, open_clip
from usassist.core.models import vit
from usassist.core.models.clip import ClipEncoder


def encoder(layout: str, taps: tuple[int, ...]) -> ClipEncoder:
    clip = nn.Module()
    tower = TRANSFORMERS[layout]()
    if layout.startswith("timm"):  # as open_clip wraps it
        wrapped = open_clip.timm_model.TimmModel.__new__(open_clip.timm_model.TimmModel)
        nn.Module.__init__(wrapped)
        wrapped.trunk, wrapped.head = tower.trunk, nn.Linear(16, 8)
        tower = wrapped
    clip.visual = tower
    return ClipEncoder(clip, None, taps=taps, image_size=32).eval()


LAYOUTS = [layout for layout in TRANSFORMERS if layout != "our trunk"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_behind_the_last_tap_run_when_the_embedding_is_asked_for(layout: str) -> None:
    early, x = encoder(layout, (0, 1)), images()
    blocks = getattr(early.clip.visual, "transformer", None)
    last = blocks.resblocks[2] if blocks is not None else early.clip.visual.trunk.blocks[2]
    ran = []
    last.register_forward_hook(lambda *_: ran.append(True))
    features = early.image(x)
    assert features.batch == 2
    assert not ran
    assert torch.allclose(features.embedding, early.clip.visual(x), atol=1e-6)
    assert torch.equal(features.expand(2).embedding, features.embedding)
    assert len(ran) == 2  # once for the embedding, once for the tower asked as a whole


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tap_at_the_last_block_leaves_nothing_for_later(layout: str) -> None:
    whole, x = encoder(layout, (0, 2)), images()
    assert not vit.has_more_blocks(whole.clip.visual, 2)
    assert torch.allclose(whole.image(x).embedding, whole.clip.visual(x), atol=1e-6)


def test_gradients_reach_the_early_blocks_through_a_late_embedding() -> None:
    late = encoder("open_clip", (0, 1))
    late.image(images()).embedding.sum().backward()
    assert late.clip.visual.conv1.weight.grad is not None
    assert not vit.has_more_blocks(TRANSFORMERS["our trunk"](), 0)
