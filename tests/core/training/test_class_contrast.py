import pytest
import torch

from usassist.core.training.class_contrast import anchor_loss, class_contrast

SCALE = torch.tensor(10.0)


def test_anchors_tell_classes_apart_even_where_a_batch_shows_one() -> None:
    anchors = torch.eye(3)
    image = anchors[[1, 1]].requires_grad_()
    known = torch.tensor([4, 5, 7])
    right = anchor_loss(image, torch.tensor([5, 5]), anchors, known, scale=SCALE)
    wrong = anchor_loss(image, torch.tensor([7, 7]), anchors, known, scale=SCALE)
    assert right < 0.01
    assert wrong > 5
    assert class_contrast(image, image.detach(), torch.tensor([5, 5]), scale=SCALE) == 0


def test_images_without_a_class_say_nothing() -> None:
    image = torch.randn(3, 4, requires_grad=True)
    loss = anchor_loss(image, torch.tensor([-1, -1, -1]), torch.eye(4), torch.arange(4), scale=SCALE)
    loss.backward()
    assert loss == 0 and not image.grad.any()


def test_cosines_stay_exact_under_half_precision() -> None:
    torch.manual_seed(0)
    image, anchors = torch.randn(8, 64), torch.randn(4, 64)
    classes = torch.arange(8) % 4
    plain = anchor_loss(image, classes, anchors, torch.arange(4), scale=SCALE)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = anchor_loss(image, classes, anchors, torch.arange(4), scale=SCALE)
    assert lowered.item() == pytest.approx(plain.item(), abs=1e-6)


def test_images_of_one_class_are_not_pushed_apart() -> None:
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert class_contrast(same, same, torch.tensor([0, 0, 1]), scale=torch.tensor(50.0)) == pytest.approx(
        torch.log(torch.tensor(2.0)).item() * 2 / 3, abs=1e-3
    )
