"""pydicom without its noise and with its own errors named: what it warns about goes to our log at debug level."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)
# Python's warning filters belong to the whole process: two threads that save and restore them at the same time would
# restore each other's, so only one is let in.
_one_at_a_time = threading.RLock()


class _ToOurLog(logging.Handler):
    """Passes a library's records on as debug messages: a file's small faults are no news to the person reading it."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.debug("%s: %s", record.name, record.getMessage())


_handler = _ToOurLog()


def dicom_errors() -> tuple[type[Exception], ...]:
    """Return pydicom's own exception types, which derive from nothing more special than Exception."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return BytesLengthException, InvalidDicomError


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings and log records of the block off stderr; they appear in our log at debug level."""
    library = logging.getLogger("pydicom")
    if _handler not in library.handlers:
        library.addHandler(_handler)
        library.propagate = False
    with _one_at_a_time, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        for warning in caught:
            _log.debug("%s", warning.message)
