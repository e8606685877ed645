"""Images find their captions through what embeds texts; equal captions are one text."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.retrieval import retrieve

AXES = {"left": np.eye(3, dtype=np.float32)[0], "right": np.eye(3, dtype=np.float32)[1]}


def embed(texts: object) -> np.ndarray:
    return np.stack([AXES[str(text)] for text in texts])  # type: ignore[attr-defined]


def test_N10_equal_captions_are_one_text_with_several_right_images() -> None:
    images = [("left", AXES["left"]), ("left", AXES["left"]), ("right", AXES["right"]), ("right", AXES["left"])]
    found = retrieve(images, embed)
    assert (found.image_to_text.r1, found.image_to_text.n) == (0.75, 4)
    # For "left" the stray image is as alike as the right ones: a tie counts against.
    assert (found.text_to_image.r1, found.text_to_image.n) == (0.5, 2)


def test_one_caption_is_nothing_to_search_in() -> None:
    with pytest.raises(UsassistError, match="2 images and 1 different"):
        retrieve([("left", AXES["left"]), ("left", AXES["right"])], embed)
