"""The options that name classes by prompts, and who is asked to tell them apart."""

import argparse

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.cli.engine import Engine
from usassist.core.errors import ModelError, UsassistError
from usassist.core.evaluation.judges import Judge, has_towers, prompt_judge
from usassist.core.evaluation.zero_shot import Method, PromptSet

Named = tuple[str, tuple[str, ...]]
"""A class and prompts for it."""

DEFAULT_METHOD: Method = "similarity"
"""For models that have both: presence answers whether a lesion is there at all, hardly which one it is. With an
earlier model, on validation images of BUSI and BrEaST, similarity told benign from malignant better on average.
"""


def add_class_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --classes, --ensemble, --classify-by and --calibrate."""
    parser.add_argument(
        "--classes",
        metavar="NAME=PROMPT",
        nargs="+",
        action="extend",
        type=named_prompts,
        default=[],
        help="tell classes apart by prompts; a NAME may come several times, NAME=@breast takes those of an ensemble",
    )
    parser.add_argument(
        "--ensemble",
        metavar="NAME",
        type=_ensemble,
        default=(),
        help=f"classes and prompts of the vocabulary: {', '.join(load_vocabulary().ensembles)}",
    )
    parser.add_argument(
        "--classify-by",
        choices=("auto", "similarity", "presence"),
        default="auto",
        help="by the likeness of image and prompt, or by how present each prompt is (default: auto)",
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="fit the classes' temperature on the split val of the same data first"
    )


def named_prompts(text: str) -> Named:
    """Parse NAME=PROMPT, NAME=@ENSEMBLE (its class of that name) or NAME=@ENSEMBLE.CLASS."""
    name, equals, prompt = text.partition("=")
    name, prompt = name.strip(), prompt.strip()
    if not (name and equals and prompt):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PROMPT")
    if not prompt.startswith("@"):
        return name, (prompt,)
    ensemble, _, own = prompt[1:].partition(".")
    found = dict(_ensemble(ensemble))
    wanted = own or name
    if wanted not in found:
        raise argparse.ArgumentTypeError(
            f"the ensemble {ensemble!r} has the classes {', '.join(found)}; not {wanted!r}"
        )
    return name, found[wanted]


def _ensemble(name: str) -> tuple[Named, ...]:
    try:
        return tuple(load_vocabulary().ensemble(name).classes.items())
    except ModelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def asks_for_classes(arguments: argparse.Namespace) -> bool:
    """Return whether any class was named, or a calibration of classes asked for."""
    return bool(arguments.classes or arguments.ensemble or arguments.calibrate)


def asked_judge(arguments: argparse.Namespace, built: Engine, *, label_id: str) -> Judge | None:
    """Return who tells the classes apart that were named, None where none was. Raises UsassistError."""
    prompts: dict[str, tuple[str, ...]] = {}
    for name, texts in (*arguments.ensemble, *arguments.classes):
        prompts[name] = prompts.get(name, ()) + texts
    if not prompts:
        return None
    task = built.config.task if built.config else "segment"
    if task == "classify":
        raise UsassistError(
            f"The model {built.model} has learned its classes; leave out --classes and --ensemble, or choose a model "
            f"that compares images with texts."
        )
    by = arguments.classify_by
    if by != "similarity" and task == "segment" and not built.follows_text:
        raise UsassistError(_deaf(built))
    if by == "presence" and task == "embed":
        raise UsassistError(
            f"The model {built.model} has no head that could find a prompt; use --classify-by similarity."
        )
    if by == "auto":
        by = "similarity" if task == "embed" else DEFAULT_METHOD if has_towers(built.proposer) else "presence"
    return prompt_judge(built.proposer, PromptSet.of(prompts), by=by, label_id=label_id)


def _deaf(built: Engine) -> str:
    """Say that the masks are the same whatever is asked, and what there is to do instead."""
    if built.config is None:
        return (
            f"The engine {built.name} follows no text, so it tells no classes apart: leave out --classes, --ensemble."
        )
    why = f"its head {built.config.head.kind!r}" if len(built.config.classes) < 2 else "a model of several objects"
    return (
        f"The model {built.model} follows no text ({why} finds the same whatever is asked): leave out --classes and "
        f"--ensemble. If its towers were trained on texts, --classify-by similarity compares images and prompts."
    )
