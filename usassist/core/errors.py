"""The errors usassist raises on purpose; each message says what was found, what was expected and what to do."""


class UsassistError(Exception):
    """Base of every error whose message is written for the user."""


class ReadError(UsassistError):
    """A file cannot be read as an ultrasound study."""


class ProjectError(UsassistError):
    """A project cannot be opened, locked, read or written."""


class ExchangeError(UsassistError):
    """A format cannot be written or read back."""


class ModelError(UsassistError):
    """A model, its weights or its configuration cannot be used."""


class TrainingError(UsassistError):
    """A training recipe, its data or a run cannot be used."""
