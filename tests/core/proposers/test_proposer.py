import numpy as np

from usassist.core.domain import Frame, FrameRef
from usassist.core.proposers.proposer import frame_token


def test_a_token_knows_the_key_and_the_pixels() -> None:
    pixels = np.zeros((4, 4), dtype=np.uint8)
    one = frame_token(Frame(FrameRef("a", 0), pixels.copy()))
    assert one == frame_token(Frame(FrameRef("a", 0), pixels.copy()))
    assert one != frame_token(Frame(FrameRef("b", 0), pixels.copy()))
    assert one != frame_token(Frame(FrameRef("a", 0), pixels + 1))
