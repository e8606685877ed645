"""Values that several commands take, checked before anything is begun: a wrong one is wrong usage, status 2."""

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
