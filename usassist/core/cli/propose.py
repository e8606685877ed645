"""`usassist propose INPUT ... --out DIR`: a mask for every frame, and proposals.json about them."""

import argparse
from dataclasses import replace
from pathlib import Path

from usassist.core.captions.asked_label import label_id_of_text
from usassist.core.cli.arguments import out_folder
from usassist.core.cli.engine import LABEL_ID, Engine, add_engine_arguments, engine
from usassist.core.cli.inputs import Input, find_inputs, plan_names
from usassist.core.cli.output import (
    Exit,
    complain,
    count,
    print_json,
    progress,
    report_failures,
    status,
    to_json,
)
from usassist.core.cli.proposing import Job
from usassist.core.domain import Frame, Mask, Prompt
from usassist.core.errors import ExchangeError, UsassistError
from usassist.core.exchange import specs
from usassist.core.project import atomic

REPORT = "proposals.json"
_MOST_SUPPORT = 32
_EPILOG = """\
Without --prompt the engine is asked for nothing in particular and its answers are labelled "lesion"; the window asks
for the words of the active label instead ("breast lesion" in a new project), so give these for the same answers. With
--prompt the label in proposals.json is what the text asks for: "fetal head" gives "fetal_head", other words an id made
of them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare INPUT, --out, the engine's options, --support, --format and --json."""
    parser.epilog = _EPILOG
    parser.add_argument("input", metavar="INPUT", nargs="+", type=Path, help="a file, a folder, a project")
    parser.add_argument(
        "--out", metavar="DIR", type=out_folder, required=True, help="folder for masks and proposals.json"
    )
    add_engine_arguments(parser)
    parser.add_argument(
        "--support",
        metavar="DIR",
        type=Path,
        help="images/ and masks/ of what to look for: the engine finds what those masks show",
    )
    parser.add_argument("--format", default="png_mask", choices=sorted(specs()), help="of the masks")
    parser.add_argument("--json", action="store_true", help="print proposals.json on stdout as well")


def run(arguments: argparse.Namespace) -> int:
    """Write a mask for each frame of each INPUT; what cannot be read is listed in proposals.json with its reason."""
    inputs, failed = find_inputs(arguments.input)
    inputs = _without_results(inputs, arguments.out)
    names = plan_names(inputs)
    clash = _first_overwritten(inputs, names, arguments.out)
    if clash is not None:
        complain(f"--out {arguments.out} would overwrite the input {clash}; name a folder that holds no inputs.")
        return Exit.USAGE
    if not inputs:
        report_failures(failed)
        return Exit.NOTHING
    support = _support(arguments.support, arguments.engine) if arguments.support is not None else ()
    prompt = _prompt(arguments.prompt or "", support)
    with engine(arguments) as built:
        if support:
            _show(built, prompt)
        atomic.make_folder(arguments.out, error=ExchangeError)
        job = Job(arguments.out, built, prompt, specs()[arguments.format], failed=failed)
        try:
            with progress("proposing", total=len(inputs), unit="file", quiet=arguments.quiet > 0) as bar:
                job.run(inputs, names, bar)
        finally:
            # Also on Ctrl+C and on an error nobody foresaw: the masks that are there are accounted for.
            atomic.write_bytes(job.out / REPORT, (to_json(job.document()) + "\n").encode(), error=ExchangeError)
    if arguments.json:
        print_json(job.document())
    else:
        masks, files = count(len(job.items), "mask"), count(len(inputs), "file")
        unlike = f", {count(job.unlike, 'image')} unlike the training's" if job.unlike else ""
        print(f"{masks} of {files}, {job.empty} empty, {len(job.failed)} failed{unlike}: {job.out / REPORT}")
    report_failures(job.failed)
    return status(done=len(job.items), failed=len(job.failed))


def _prompt(text: str, support: tuple[tuple[Frame, Mask], ...]) -> Prompt:
    """Return the question: what is found for a text is labelled by what the text asks for, never as a lesion."""
    asked = text.strip()
    return Prompt(label_id_of_text(asked) if asked else LABEL_ID, text=text or None, support=support)


def _support(folder: Path, engine: str) -> tuple[tuple[Frame, Mask], ...]:
    """Return the images of a folder of support cases with their masks; images whose mask is empty are left out.

    Raises UsassistError where the engine takes none, where the folder has too many, and where none shows anything.
    """
    from usassist.core.data.dataset import load
    from usassist.core.io.open_study import open_source
    from usassist.core.proposers import specs as engines

    if "support" not in engines()[engine].prompts:
        raise UsassistError(f"The engine {engine} takes no support images: leave out --support {folder}.")
    examples = load(folder)
    if len(examples) > _MOST_SUPPORT:
        raise UsassistError(
            f"{folder} holds {len(examples)} images; as support at most {_MOST_SUPPORT} can be given; put fewer into a "
            f"folder of their own."
        )
    cases = []
    for example in examples:
        reader = open_source(example.source)
        try:
            frame = reader.frame(example.frame)
        finally:
            reader.close()
        mask = Mask.from_array(example.read_truth(frame.shape))
        if not mask.is_empty:
            cases.append((frame, mask))
    if not cases:
        raise UsassistError(f"No mask of {folder} shows anything; support images need one that does.")
    return tuple(cases)


def _show(built: Engine, prompt: Prompt) -> None:
    """Have the support images encoded, which happens with the first answer: that is no part of what a frame takes."""
    frame, _ = prompt.support[0]
    # Under a name of its own: where the same image is an input too, that one is not to be remembered already.
    built.proposer.propose(replace(frame, ref=replace(frame.ref, source_key="support")), prompt)


def _without_results(inputs: list[Input], out: Path) -> list[Input]:
    """Leave out what lies under --out where that is inside an INPUT: the masks of an earlier run are no frames."""
    folder = out.resolve()
    kept = [
        item
        for item in inputs
        if not (item.given.resolve() in folder.parents and folder in item.source.path.resolve().parents)
    ]
    if len(kept) < len(inputs):
        complain(f"left out {len(inputs) - len(kept)} files under --out {out}: they are results, not inputs.")
    return kept


def _first_overwritten(inputs: list[Input], names: list[str], out: Path) -> Path | None:
    """Return an input that a result could land on, None where that cannot happen.

    The number of frames is not known yet, so a folder that is both read from and written to is refused as a whole.
    """
    read_from = {item.source.path.resolve().parent for item in inputs}
    for item, name in zip(inputs, names, strict=True):
        if (out / name).resolve().parent in read_from:
            return item.source.path
    return None
