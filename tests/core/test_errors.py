"""Every error a room raises on purpose can be caught as one."""

import pytest

from usassist.core import errors
from usassist.core.errors import UsassistError


@pytest.mark.parametrize("name", ["ReadError", "ProjectError", "ExchangeError", "ModelError", "TrainingError"])
def test_every_room_error_is_a_usassist_error_and_keeps_its_sentence(name: str) -> None:
    kind = getattr(errors, name)
    with pytest.raises(UsassistError, match="found 3, expected 2"):
        raise kind("found 3, expected 2")


def test_they_are_siblings() -> None:
    """A caller who handles one room's errors does not swallow another's."""
    kinds = UsassistError.__subclasses__()
    assert not [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)]
