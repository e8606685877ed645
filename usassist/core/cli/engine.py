"""The options of every command that runs an engine, and what to report about the engine that ran."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from usassist.core.cli.arguments import device_name
from usassist.core.errors import UsassistError
from usassist.core.models.config import ModelConfig
from usassist.core.models.weights import find_model
from usassist.core.proposers import DEFAULT_ENGINE, BuildOptions, Proposer, build, specs

LABEL_ID = "lesion"
"""The label a proposal of the command line is meant for: the first of a new project's labels."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is ready: `model` is None for an engine without weights, `device` what it really runs on.

    `config` is the description of its model and `folder` where it lies, None without weights.
    """

    proposer: Proposer
    name: str
    model: str | None
    device: str
    weights_hash: str
    config: ModelConfig | None = None
    folder: Path | None = None


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --engine, --prompt, --device and --threshold.

    What is named from a closed list (engine, device) is checked here: status 2. What depends on the machine (a model,
    a GPU) is found out when it is used: status 1.
    """
    parser.add_argument("--model", metavar="NAME|DIR", help="a model of `usassist models list`, or a model's folder")
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default=DEFAULT_ENGINE,
        choices=list(specs()),
        help="%(choices)s; default %(default)s",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what to look for, in words; none means whatever is found")
    parser.add_argument(
        "--device", metavar="auto|cpu|cuda", type=device_name, default="auto", help="where to compute (default: auto)"
    )
    parser.add_argument("--threshold", metavar="P", type=_probability, help="probability from which a pixel counts")


def _probability(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


@contextmanager
def engine(arguments: argparse.Namespace) -> Iterator[Engine]:
    """Build the engine the arguments name, and close it in the end. Raises ModelError."""
    needs_weights = "weights" in specs()[arguments.engine].requires
    if arguments.model is not None and not needs_weights:
        raise UsassistError(f"The engine {arguments.engine} has no weights: leave out --model {arguments.model}.")
    options = BuildOptions(model=arguments.model, device=arguments.device, threshold=arguments.threshold)
    proposer = build(arguments.engine, options)
    info = find_model(arguments.model) if needs_weights else None
    try:
        yield Engine(
            proposer=proposer,
            name=arguments.engine,
            model=info.name if info else None,
            device=_device(arguments.device) if needs_weights else "cpu",
            weights_hash=proposer.weights_hash,
            config=info.config if info else None,
            folder=info.folder if info else None,
        )
    finally:
        proposer.close()


def _device(name: str) -> str:
    from usassist.core.models.device import resolve

    return str(resolve(name))
