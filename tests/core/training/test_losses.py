import torch

from usassist.core.training.losses import bce_loss, class_contrast, dice_loss, hard_dice, soft_dice


def _pair() -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.zeros(2, 1, 8, 8)
    truth[0, :, 2:5, 2:5] = 1
    return (truth * 2 - 1) * 20, truth


def test_p_c4_a_perfect_prediction_costs_nothing() -> None:
    logits, truth = _pair()
    assert dice_loss(logits, truth) < 1e-3
    assert bce_loss(logits, truth) < 1e-3


def test_an_empty_truth_is_left_to_the_cross_entropy() -> None:
    logits, truth = torch.full((1, 1, 8, 8), 5.0), torch.zeros(1, 1, 8, 8)
    assert dice_loss(logits, truth) == 0
    assert bce_loss(logits, truth) > 4


def test_soft_dice_of_halves() -> None:
    truth = torch.ones(1, 1, 1, 100)
    logits = torch.full_like(truth, -50.0)
    logits[..., :50] = 50
    assert torch.isclose(soft_dice(logits, truth)[0], torch.tensor(101 / 151))


def test_p_c6_dice_is_of_decided_pixels_and_of_each_image() -> None:
    truth = torch.ones(2, 1, 2, 2)
    logits = torch.tensor([0.4, -0.4])[:, None, None, None].expand(2, 1, 2, 2)
    assert hard_dice(logits, truth).tolist() == [1.0, 0.0]


def test_hard_dice_of_two_empty_masks_is_one() -> None:
    logits, truth = _pair()
    assert torch.equal(hard_dice(logits, truth), torch.ones(2))


def test_contrast_prefers_the_right_class() -> None:
    classes = torch.tensor([0, 0, 1, 1])
    vectors = torch.eye(2)[classes]
    scale = torch.tensor(10.0)
    right = class_contrast(vectors, vectors, classes, scale)
    wrong = class_contrast(vectors, vectors.flip(0), classes, scale)
    assert right < wrong


def test_contrast_without_two_classes_is_zero_and_keeps_the_graph() -> None:
    image = torch.randn(3, 4, requires_grad=True)
    loss = class_contrast(image, torch.randn(3, 4), torch.tensor([1, 1, -1]), torch.tensor(1.0))
    loss.backward()
    assert loss == 0 and image.grad is not None
