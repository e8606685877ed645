import torch
from torch import nn

from usassist.core.models.film import Film


def test_it_starts_as_the_identity_and_then_scales_channels() -> None:
    film, x = Film(4, 3), torch.randn(2, 3, 5, 5)
    assert torch.equal(film(x, torch.randn(2, 4)), x)
    nn.init.constant_(film.scale.bias, 1.0)
    nn.init.constant_(film.shift.bias, 0.5)
    assert torch.allclose(film(x, torch.zeros(2, 4)), 2 * x + 0.5)


def test_it_modulates_sequences_as_it_does_maps() -> None:
    film, x, condition = Film(4, 3), torch.randn(2, 3, 5, 7), torch.randn(2, 4)
    nn.init.normal_(film.scale.weight)
    assert torch.allclose(film(x.flatten(2), condition), film(x, condition).flatten(2))
