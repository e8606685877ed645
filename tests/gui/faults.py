"""What stands in for a call that writes, where the disk is full."""

from usassist.core.errors import ProjectError

FULL = "The disk is full."


def full_disk(*_args: object, **_options: object) -> None:
    raise ProjectError(FULL)
