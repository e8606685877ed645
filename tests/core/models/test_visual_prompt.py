import pytest
import torch

from usassist.core.errors import ModelError
from usassist.core.models.visual_prompt import highlight

BLACK = torch.full((3,), -2.0)


def _case(size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    images, masks = torch.randn(2, 3, size, size), torch.zeros(2, 1, size, size)
    masks[0, :, 10:20, 30:44] = 1
    masks[1, :, 50:64, 0:5] = 1  # in a corner: the crop stays inside
    return images, masks


def test_P2_the_object_fills_the_picture_and_the_rest_is_dark_and_blurred() -> None:
    images = torch.full((1, 3, 64, 64), 1.0)
    images[..., ::2] = 3.0  # stripes: a blur makes them one grey
    masks = torch.zeros(1, 1, 64, 64)
    masks[..., 24:40, 24:40] = 1
    shown = highlight(images, masks, black=BLACK)
    assert shown.shape == images.shape
    middle, corner = shown[0, 0, 28:36, 28:36], shown[0, 0, :6, :6]
    assert middle.std() > 0.2  # the object's own pixels
    assert corner.std() < 0.02  # the stripes are gone
    assert abs(float(corner.mean()) - (-2.0 + 0.1 * 4.0)) < 0.05  # a tenth of its brightness over black
    # 1.5 times the object's side is what is shown: it takes two thirds of the side.
    bright = (shown[0, 0] > 0.5).float().mean()
    assert 0.35 < float(bright) < 0.55


def test_P2_what_is_far_from_the_object_changes_nothing() -> None:
    images, masks = _case()
    other = images.clone()
    other[0, :, 50:, :10] = 9.0
    assert torch.equal(highlight(images, masks, black=BLACK)[0], highlight(other, masks, black=BLACK)[0])


def test_P2_gradients_pass_so_that_a_tower_can_learn_from_it() -> None:
    images, masks = _case()
    images.requires_grad_()
    highlight(images, masks, black=BLACK).sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [16, 17, 64])
def test_any_size_and_a_mask_of_one_pixel_or_all_pixels_work(size) -> None:
    one = torch.zeros(1, 1, size, size)
    one[..., 3, 7] = 1
    for mask in (one, torch.ones(1, 1, size, size)):
        assert highlight(torch.randn(1, 3, size, size), mask, black=BLACK).isfinite().all()


def test_an_empty_mask_and_one_of_another_size_are_sentences() -> None:
    images, masks = _case()
    masks[1] = 0
    with pytest.raises(ModelError, match="support image is empty"):
        highlight(images, masks, black=BLACK)
    with pytest.raises(ModelError, match="do not fit images"):
        highlight(images, masks[..., :32], black=BLACK)
