"""What several commands take. Values are checked before anything is begun: a wrong one is wrong usage, status 2."""

import argparse
import re
from pathlib import Path


def out_folder(text: str) -> Path:
    """Return the folder to write into; it need not be there yet, but nothing else may be in its place."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file, expected a folder")
    return path


def device_name(text: str) -> str:
    """Return auto, cpu, cuda or cuda:N; whether the machine has it is found out when it is used."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no device, expected auto, cpu or cuda")
    return text


def add_verbosity(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add -v and -q, which every command has; `again` behind an action, where what stands before it holds unless given.

    A parser of an action starts from its own defaults, which would undo what was counted before.
    """
    default = argparse.SUPPRESS if again else 0
    for short, name, words in (
        ("-v", "--verbose", "log more, to stderr; twice for everything"),
        ("-q", "--quiet", "log errors only, and show no progress bar"),
    ):
        parser.add_argument(short, name, action="count", default=default, help=words)
