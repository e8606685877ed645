"""A CLIP on our own trunk is open_clip's CLIP on it: names, order, start, answers and gradients."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from usassist.core.models import clip_settings, small_clip, torchvision_ops, trunks
from usassist.core.models.clip import build_clip
from usassist.core.models.tokens import CompactTokenizer

OURS = ["usassist-lite0", "usassist-lite0-pooled", "usassist-resnet18", "usassist-unet", "usassist-unet-16"]


def _open_clips(settings: dict) -> nn.Module:
    torchvision_ops.prepare()
    import open_clip

    trunks.register_with_timm()
    return open_clip.CLIP(**copy.deepcopy(settings))


@pytest.mark.parametrize("name", OURS)
def test_the_tensors_their_order_and_the_seeded_start_are_open_clips(name) -> None:
    settings = clip_settings.settings_of(name)
    assert small_clip.fits(settings)
    torch.manual_seed(0)
    theirs = _open_clips(settings)
    torch.manual_seed(0)
    ours = build_clip(settings, image_size=64)
    assert isinstance(ours, small_clip.SmallClip)
    # Optimisers keep what they know by a parameter's place.
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], tensor), key


@pytest.mark.parametrize("name", OURS[:2])
def test_embeddings_and_gradients_are_open_clips(name) -> None:
    settings = clip_settings.settings_of(name)
    theirs, ours = _open_clips(settings), small_clip.build(settings)
    ours.load_state_dict(theirs.state_dict())
    ids = CompactTokenizer((320, 518), vocab_size=2048, context_length=77)(["a lesion", "fetal head and abdomen"])
    images = torch.randn(2, 3, 64, 64)
    for both in ((theirs.eval(), ours.eval()), (theirs.train(), ours.train())):
        texts, seen = [clip.encode_text(ids) for clip in both], [clip.encode_image(images) for clip in both]
        assert torch.allclose(*texts, rtol=1e-4, atol=1e-5) and torch.allclose(*seen, rtol=1e-4, atol=1e-4)
        for clip, text, image in zip(both, texts, seen, strict=True):
            clip.zero_grad()
            (text.square().mean() + image.square().mean()).backward()
    for (key, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-4), key


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("", {"quick_gelu": True}),
        ("", {"init_logit_bias": -10.0}),
        ("vision_cfg", {"timm_proj": "mlp"}),
        ("vision_cfg", {"timm_drop": 0.1}),
        ("text_cfg", {"mlp_ratio": 2.0}),
        ("text_cfg", {"pool_type": "last"}),
    ],
)
def test_what_is_set_otherwise_is_open_clips_to_build(section, change) -> None:
    settings = clip_settings.settings_of("usassist-unet-16")
    (settings[section] if section else settings).update(change)
    assert not small_clip.fits(settings)
    clip = build_clip(settings, image_size=64)
    assert type(clip).__module__.startswith("open_clip.")
    assert type(clip.visual.trunk) is type(trunks.TRUNKS["usassist_unet_16"]())


def test_other_trunks_are_open_clips() -> None:
    assert not small_clip.fits(clip_settings.settings_of("ViT-B-16"))
    assert not small_clip.fits(clip_settings.settings_of("biomedclip-vit-b-16"))
    explicit = clip_settings.settings_of("usassist-lite0") | {"quick_gelu": False, "custom_text": False}
    assert small_clip.fits(explicit)


_LOADED = """
import sys
import numpy as np
from usassist.core.domain import Frame, FrameRef, Prompt
from usassist.core.proposers import BuildOptions, build
proposer = build("clip_mona", BuildOptions(device="cpu"))
frame = Frame(FrameRef("x", 0), np.random.default_rng(0).integers(0, 255, (96, 128), dtype=np.uint8))
heavy = "timm torchvision open_clip scipy sklearn transformers ftfy regex".split()
print(len(proposer.propose(frame, Prompt("a"))), [name for name in heavy if name in sys.modules])
proposer.propose(frame, Prompt("a", text="breast lesion"))
print([name for name in heavy if name in sys.modules])
"""


def test_the_shipped_model_answers_without_timm_torchvision_and_open_clip() -> None:
    out = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=False)
    assert out.stdout.splitlines() == ["1 []", "['ftfy', 'regex']"], out.stderr
