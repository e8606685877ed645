"""The surest mistakes of class."""

import numpy as np

from usassist.core.evaluation.classification import ClassScores
from usassist.core.evaluation.mistakes import Mistakes

NAMES = ("benign", "malignant")


def test_the_surest_mistakes_are_kept_and_only_their_pictures_are_read() -> None:
    read: list[str] = []
    album = Mistakes(count=3)
    for index, sure in enumerate([0.6, 0.9, 0.7, 0.95, 0.7, 0.55]):
        case = ClassScores("benign", (1 - sure, sure), "g", input=f"{index}.png", frame=index)

        def image(name: str = case.input) -> np.ndarray:
            read.append(name)
            return np.full((50, 700), 90, dtype=np.uint8)

        album.offer(case, NAMES, image=image)
    shown = album.shown()
    assert [(one.input, one.probability) for one in shown] == [("3.png", 0.95), ("1.png", 0.9), ("2.png", 0.7)]
    assert (shown[0].truth, shown[0].said, shown[0].frame) == ("benign", "malignant", 3)
    assert shown[0].jpeg[:2] == b"\xff\xd8"
    assert shown[0].data_uri.startswith("data:image/jpeg;base64,")
    assert read == ["0.png", "1.png", "2.png", "3.png"]


def test_what_is_right_or_of_another_class_is_no_mistake() -> None:
    album = Mistakes()

    def image() -> np.ndarray:
        raise AssertionError("No picture is needed.")

    album.offer(ClassScores("benign", (0.9, 0.1), "g"), NAMES, image=image)
    album.offer(ClassScores("normal", (0.1, 0.9), "g"), NAMES, image=image)
    assert album.shown() == ()
