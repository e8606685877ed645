"""Retrieval on a dataset: images and the captions that belong to them."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.metrics.retrieval import Retrieval, retrieval

Vectors = npt.NDArray[np.float32]


def retrieve(images: Sequence[tuple[str, Vectors]], embed_texts: Callable[[Sequence[str]], Vectors]) -> Retrieval:
    """Return how well images find their captions and captions their images.

    `images` is (caption, unit embedding (D,)) of each image; equal captions are one text with several right images.
    The captions are what is searched for, never an input to the image's embedding. Raises UsassistError where fewer
    than two captions differ.
    """
    captions = list(dict.fromkeys(caption for caption, _ in images))
    if len(captions) < 2:
        raise UsassistError(
            f"Retrieval needs different captions; found {len(images)} images and {len(captions)} different "
            f"ones. Add a column caption to labels.csv, or leave out --retrieval."
        )
    number = {caption: index for index, caption in enumerate(captions)}
    relevant = np.zeros((len(images), len(captions)), dtype=np.bool_)
    relevant[np.arange(len(images)), [number[caption] for caption, _ in images]] = True
    similarity = np.stack([vector for _, vector in images]) @ embed_texts(captions).T
    return retrieval(similarity, relevant)
