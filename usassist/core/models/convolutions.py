"""Two convolutions that torch has not: TensorFlow's padding, and 1 x 1 as a product where gradients are wanted."""

from torch import Tensor, is_grad_enabled, nn
from torch.nn import functional as F


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: as many pixels out as strides in, the odd one padded behind."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        height, width = (
            _missing(side, kernel, stride, dilation)
            for side, kernel, stride, dilation in zip(
                input.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(input, padding))


def _missing(side: int, kernel: int, stride: int, dilation: int) -> int:
    """Return how many pixels a side lacks for the last stride."""
    return max(0, (-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side)


class PointwiseConv(nn.Conv2d):
    """A 1 x 1 convolution that is a matrix product where gradients are wanted: torch's own is slow there on a CPU."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        if not is_grad_enabled() or input.device.type != "cpu":
            return super().forward(input)
        return F.linear(input.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)
