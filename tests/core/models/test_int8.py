import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from usassist.core.models import int8

packed_only = pytest.mark.skipif(not int8.multiplies_packed(), reason="this processor has no exact packed products")


@packed_only
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_product_is_near_the_exact_one(bias) -> None:
    torch.manual_seed(0)
    weight, added = torch.randn(80, 48), torch.randn(80) if bias else None
    x = torch.randn(3, 200, 48)  # more rows than are quantised at a time
    found, exact = int8.PackedMatrix(weight)(x, added), F.linear(x, weight, added)
    assert found.dtype == torch.float32
    assert found.shape == exact.shape
    assert float((found - exact).norm() / exact.norm()) < 0.02


@packed_only
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 5), width=st.sampled_from([16, 33, 64]))
def test_it_is_the_same_product_as_in_training(seed, rows, width) -> None:
    """A model must not answer otherwise at work than where it was chosen."""
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.randn(24, width, generator=generator), torch.randn(24, generator=generator)
    x = torch.randn(rows, width, generator=generator) * 10 ** float(torch.randint(-3, 3, (1,), generator=generator))
    scale, whole = int8.quantised(weight)
    trained = int8.Int8Product.apply(x, whole, scale, bias)
    assert torch.allclose(
        int8.PackedMatrix(weight)(x, bias), trained, rtol=1e-4, atol=1e-5 + 0.02 * float(x.abs().max())
    )


@packed_only
def test_packed_rows_do_not_depend_on_their_neighbours_and_show_a_diverged_one() -> None:
    matrix = int8.PackedMatrix(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    alone = matrix(x[:1], None)
    x[3] *= 1e4
    x[2] = float("nan")
    together = matrix(x, None)
    assert torch.equal(together[:1], alone)
    assert bool(together[2].isnan().all())
    assert not together[3].isnan().any()
    assert torch.equal(matrix(torch.zeros(1, 16), None), torch.zeros(1, 8))


@pytest.mark.parametrize("shape", [(0, 48), (3, 0, 48)])
def test_no_rows_give_no_rows(shape: tuple[int, ...]) -> None:
    x, weight = torch.zeros(shape), torch.randn(80, 48)
    scale, whole = int8.quantised(weight)
    x.requires_grad_()
    out = int8.Int8Product.apply(x, whole, scale, None)
    assert out.shape == (*shape[:-1], 80)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient.shape == shape
    if int8.multiplies_packed():
        assert int8.PackedMatrix(weight)(x.detach(), torch.zeros(80)).shape == (*shape[:-1], 80)


def test_the_largest_products_are_exact_where_int8_is_offered() -> None:
    assert int8.multiplies_int8() is True or not int8.multiplies_packed()
    if int8.multiplies_int8():
        large = torch.full((1, 64), 127.0)
        scale, whole = int8.quantised(large)
        assert float(int8.Int8Product.apply(large, whole, scale, None)) == pytest.approx(64 * 127 * 127, rel=1e-5)
