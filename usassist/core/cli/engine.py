"""The options of every command that runs an engine, and what to report about the engine that ran."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from usassist.core.cli.arguments import device_name
from usassist.core.cli.output import complain
from usassist.core.errors import UsassistError
from usassist.core.models.config import ModelConfig, Precision
from usassist.core.models.weights import find_model
from usassist.core.proposers import DEFAULT_ENGINE, BuildOptions, Proposer, build, specs
from usassist.core.proposers.unlearned import doubt_of_text

LABEL_ID = "lesion"
"""The label of what the command line finds without a prompt: the first of a new project's labels."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is ready: `model` is None for an engine without weights, `device` what it really runs on.

    `precision` is what its large products are computed in, "fp32" where nothing could be lowered. `config` is the
    description of its model and `folder` where it lies, None without weights.
    """

    proposer: Proposer
    name: str
    model: str | None
    device: str
    weights_hash: str
    config: ModelConfig | None = None
    folder: Path | None = None
    precision: Precision = "fp32"

    @property
    def follows_text(self) -> bool:
        """Return whether a prompt changes the masks."""
        return "text" in self.proposer.spec.prompts and (self.config is None or self.config.follows_text)


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --model, --engine, --prompt, --device, --precision and --threshold.

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
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="what a ViT multiplies in; below fp32 answers differ a little (default: %(default)s)",
    )
    parser.add_argument("--threshold", metavar="P", type=_probability, help="probability from which a pixel counts")


def _probability(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


@contextmanager
def engine(arguments: argparse.Namespace) -> Iterator[Engine]:
    """Build the engine the arguments name, and close it in the end; says once where it never learned the --prompt.

    Raises ModelError, and UsassistError for a --model or --prompt that would change nothing: what was not followed must
    not be reported as asked.
    """
    needs_weights = "weights" in specs()[arguments.engine].requires
    if arguments.model is not None and not needs_weights:
        raise UsassistError(f"The engine {arguments.engine} has no weights: leave out --model {arguments.model}.")
    info = find_model(arguments.model) if needs_weights else None
    _require_prompt_that_counts(arguments.prompt or "", arguments.engine, info.config if info else None)
    doubt = doubt_of_text(info.config if info else None, arguments.prompt or "")
    if doubt is not None:
        complain(doubt.sentence)
    options = BuildOptions(
        model=arguments.model,
        device=arguments.device,
        threshold=arguments.threshold,
        precision=arguments.precision,
    )
    proposer = build(arguments.engine, options)
    precision: Precision = getattr(proposer, "precision", "fp32")
    if precision != options.precision:
        complain(
            f"--precision {options.precision} changed nothing: {info.name if info else arguments.engine} has no "
            f"transformer blocks, and computes in {precision}."
        )
    try:
        yield Engine(
            proposer=proposer,
            name=arguments.engine,
            model=info.name if info else None,
            device=_device(arguments.device) if needs_weights else "cpu",
            weights_hash=proposer.weights_hash,
            config=info.config if info else None,
            folder=info.folder if info else None,
            precision=precision,
        )
    finally:
        proposer.close()


def _require_prompt_that_counts(prompt: str, engine: str, config: ModelConfig | None) -> None:
    """Raise UsassistError for a text that the engine, or its model, would not look at."""
    asked = prompt.strip()
    if not asked:
        return
    if "text" not in specs()[engine].prompts:
        raise UsassistError(f"The engine {engine} follows no text: leave out --prompt {asked!r}, or choose another.")
    if config is None or config.follows_text:
        return
    if config.task != "segment":
        raise UsassistError(
            f"The model {config.name} draws no masks (its task is {config.task!r}), so there is nothing for --prompt "
            f"{asked!r} to change: leave it out."
        )
    if len(config.classes) < 2:
        raise UsassistError(
            f"The model {config.name} follows no text, its head {config.head.kind!r} looks for what it was trained on: "
            f"leave out --prompt {asked!r}, or choose a model with the head promptable, film_skip or clipseg."
        )
    if asked.casefold() not in [name.casefold() for name in config.classes]:
        raise UsassistError(
            f"The model {config.name} tells {', '.join(config.classes)} apart and follows no other text; found "
            f"--prompt {asked!r}. Name one of them, or leave it out."
        )


def _device(name: str) -> str:
    from usassist.core.models.device import resolve

    return str(resolve(name))
