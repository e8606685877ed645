"""Where usassist finds its resources and keeps what belongs to the user."""

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent.parent


def resources() -> Path:
    """Return the folder of shipped resources: inside an installed wheel, or beside the package in a checkout."""
    inside = _PACKAGE / "resources"
    return inside if inside.is_dir() else _PACKAGE.parent / "resources"


def user_home() -> Path:
    """Return the user's usassist folder (settings, models, recovery); `USASSIST_HOME` overrides it."""
    override = os.environ.get("USASSIST_HOME")
    return Path(override) if override else Path(platformdirs.user_data_dir("usassist", appauthor=False))


def user_models() -> Path:
    """Return the folder of models the user added."""
    return user_home() / "models"


def settings_file() -> Path:
    """Return the file of preferences."""
    return user_home() / "settings.toml"
