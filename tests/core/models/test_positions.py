import pytest
import torch
from torch import nn

from usassist.core.models.positions import is_position_table, resize_positions


@pytest.mark.parametrize(("count", "rows"), [(50, 197), (49, 196), (197, 50)])
def test_the_class_token_keeps_its_row_and_the_grid_is_open_clips(count: int, rows: int) -> None:
    from usassist.core.models import torchvision_ops

    torchvision_ops.prepare()
    from open_clip.model import resize_pos_embed

    table = torch.randn(count, 8)
    resized = resize_positions(table, rows)
    assert resized.shape == (rows, 8)
    if count % 7 == 1:
        assert torch.equal(resized[0], table[0])
    if count == 50:
        tower = nn.Module()
        tower.visual = nn.Module()
        tower.visual.grid_size = (14, 14)
        state = {"visual.positional_embedding": table}
        resize_pos_embed(state, tower)
        assert torch.allclose(state["visual.positional_embedding"], resized)


def test_timms_batch_axis_and_the_precision_stay() -> None:
    assert resize_positions(torch.randn(1, 197, 4).half(), 50).shape == (1, 50, 4)
    assert resize_positions(torch.randn(1, 197, 4).half(), 50).dtype == torch.float16


def test_the_same_size_is_the_same_table() -> None:
    table = torch.randn(50, 8)
    assert resize_positions(table, 50) is table


@pytest.mark.parametrize(("count", "rows"), [(50, 49), (51, 197), (50, 60)])
def test_what_is_no_grid_is_refused(count: int, rows: int) -> None:
    with pytest.raises(ValueError, match="positions"):
        resize_positions(torch.randn(count, 8), rows)


def test_tables_are_known_by_name() -> None:
    assert is_position_table("encoder.clip.visual.trunk.pos_embed")
    assert not is_position_table("encoder.clip.positional_embedding")  # the text tower's is never resized
