"""`usassist captions check|refine|describe`: lists of images with captions, for contrastive training."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from usassist.core.captions.facts import check
from usassist.core.captions.pairs import Pair, Pairs, folders_outside, image_folder, read_pairs
from usassist.core.captions.refine import Refined, Refiner
from usassist.core.captions.review import Entry, Review, read_entries, write_entries
from usassist.core.captions.rows import is_table
from usassist.core.cli.arguments import add_verbosity
from usassist.core.cli.inputs import Failure
from usassist.core.cli.output import Bar, Exit, complain, count, print_json, progress, report_failures, status
from usassist.core.errors import ExchangeError, ModelError
from usassist.core.project import atomic

if TYPE_CHECKING:
    from usassist.core.captions.llm import LlmRefiner, LlmSettings

_MOST_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare check, refine and describe."""
    actions = parser.add_subparsers(dest="action", metavar="check|refine|describe", required=True)
    for name, declare, words in (
        ("check", _add_check, "list every line that gives no image with a text, and why"),
        ("refine", _add_refine, "rewrite captions, offline by rules or with a language model"),
        ("describe", _add_describe, "write captions from a table of BI-RADS descriptors"),
    ):
        action = actions.add_parser(name, help=words)
        declare(action)
        action.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        add_verbosity(action, again=True)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL (image, caption, refined) or CSV")
    _add_images(parser)
    parser.add_argument("--text", choices=("caption", "refined"), default="caption", help="what training would read")
    parser.add_argument("--clean", action="store_true", help="strip odd characters, leave out 20 characters or fewer")
    parser.set_defaults(work=_check)


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", metavar="DIR", type=Path, help="folder of the images (default: images/ beside FILE)"
    )


def _add_refine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL (image, caption) or CSV (filename, Caption)")
    _add_images(parser)
    parser.add_argument("--words-only", action="store_true", help="do not look for the images: they are elsewhere")
    parser.add_argument(
        "--out", metavar="OUT.jsonl", type=_out_file, help="where the refined captions go, and are kept"
    )
    parser.add_argument("--refiner", choices=("rules", "llm"), default="rules", help="(default: %(default)s, offline)")
    model = parser.add_argument_group("a language model (nothing is sent without --endpoint and --send)")
    model.add_argument(
        "--endpoint", metavar="URL", help="an OpenAI-compatible service, such as http://localhost:8000/v1"
    )
    model.add_argument("--llm", metavar="NAME", help="the model to ask for")
    model.add_argument("--api-key-env", metavar="VAR", default="", help="the environment variable that holds the key")
    model.add_argument("--send", action="store_true", help="send the words of the captions to the endpoint")
    model.add_argument("--dry-run", action="store_true", help="show what would be sent and what it would cost")
    model.add_argument("--price-in", metavar="P", type=_price, default=0.0, help="price of a million tokens sent")
    model.add_argument("--price-out", metavar="P", type=_price, default=0.0, help="price of a million tokens received")
    model.add_argument("--in-flight", metavar="N", type=_few, default=4, help="captions asked at once (default: 4)")
    model.add_argument("--timeout", metavar="S", type=_seconds, default=60.0, help="seconds an attempt may take")
    parser.set_defaults(work=_refine)


def _add_describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="LABELS.csv", type=Path, help="a table as BrEaST has it: file, class, shape, ..."
    )
    parser.add_argument("--out", metavar="OUT.jsonl", type=_out_file, required=True, help="where the captions go")
    parser.add_argument("--class-words", action="store_true", help="name the class and the BI-RADS category too")
    parser.add_argument(
        "--seed", metavar="N", type=int, help="write the N-th paraphrase instead of the standard sentence"
    )
    parser.add_argument("--split", choices=("train", "val", "test"), help="only the rows of this split")
    parser.set_defaults(work=_describe)


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    return cast("Callable[[argparse.Namespace], int]", arguments.work)(arguments)


def _check(arguments: argparse.Namespace) -> int:
    pairs = read_pairs(arguments.file, images=arguments.images, text=arguments.text, clean=arguments.clean)
    failed = _line_failures(pairs)
    refined = [pair for pair in pairs.items if pair.refined]
    doubts: list[Failure] = []
    with progress("checking", total=len(refined), unit="caption", quiet=arguments.quiet > 0) as bar:
        for pair in refined:
            if changes := check(pair.caption, pair.refined):
                doubts.append((f"line {pair.line}", "; ".join(map(str, changes))))
            bar.update()
    outside = {} if arguments.images else folders_outside(pairs, arguments.file)
    if arguments.json:
        folders = {str(folder): lines for folder, lines in outside.items()}
        listed = {"problems": _listed(failed), "changed_facts": _listed(doubts), "outside_folders": folders}
        print_json({"pairs": len(pairs.items), **listed})
    else:
        print(
            f"{count(len(pairs.items), 'pair')}, {count(len(failed), 'bad line')}, "
            f"{count(len(doubts), 'refined caption')} with other facts than "
            f"{'its caption' if len(doubts) == 1 else 'their captions'}: {arguments.file}"
        )
        if outside:
            print(_outside_sentence(outside))
    report_failures([*failed, *doubts])
    return status(done=len(pairs.items), failed=len(failed) + len(doubts))


def _outside_sentence(outside: Mapping[Path, int]) -> str:
    """Say how many lines take their image from which folders outside the list's own; the first few by name."""
    names = [f"{str(folder)!a} ({lines})" for folder, lines in list(outside.items())[:_MOST_NAMED]]
    more = f" and {len(outside) - len(names)} more" if len(outside) > len(names) else ""
    return f"{count(sum(outside.values()), 'line')} with an image outside the list's folder: {', '.join(names)}{more}"


def _refine(arguments: argparse.Namespace) -> int:
    wrong = _wrong_usage(arguments)
    if wrong:
        complain(wrong)
        return Exit.USAGE
    pairs = read_pairs(arguments.file, images=arguments.images, look=not arguments.words_only)
    earlier = read_entries(arguments.out) if arguments.out else {}
    if arguments.dry_run:
        return _dry_run(arguments, pairs, earlier)
    refiner = _refiner(arguments)
    review = Review(arguments.out, refiner, earlier)
    atomic.make_folder(arguments.out.parent, error=ExchangeError)
    with progress("refining", total=len(pairs.items), unit="caption", quiet=arguments.quiet > 0) as bar:
        stopped = _run(review, pairs.items, bar)
    bad = _line_failures(pairs)
    unsettled = [(f"line {found.line}", found.reason) for found in review.problems]
    failed = [*bad, *unsettled]
    counts = {"refined": review.refined, "kept": review.kept, "edited": review.edited, "problems": _listed(bad)}
    counts["unsettled"] = _listed(unsettled)
    spent = _spent(refiner, arguments)
    if arguments.json:
        print_json({"out": str(arguments.out), "refiner": refiner.name, "stopped": stopped, **counts, **spent})
    else:
        print(
            f"{review.refined} refined, {review.kept} kept from before ({review.edited} edited by hand), "
            f"{count(len(bad), 'bad line')}, {count(len(unsettled), 'caption')} to look at: {arguments.out}"
        )
        for name, value in spent.items():
            print(f"{name}: {value}")
    report_failures(failed)
    if stopped:
        complain(f"{stopped} What was finished is kept; the same command goes on from there.")
    return status(done=review.refined + review.kept, failed=len(failed) + bool(stopped))


def _run(review: Review, pairs: Sequence[Pair], bar: Bar) -> str:
    """Refine, and return why it could not be finished, "" where it was."""
    try:
        review.run(pairs, step=bar.update)
    except ModelError as error:
        return str(error)
    return ""


def _describe(arguments: argparse.Namespace) -> int:
    from usassist.core.captions.templates import read_descriptions, sentence

    if arguments.out.exists():
        complain(f"--out {arguments.out} is there already, perhaps with edited lines; remove it or name another file.")
        return Exit.USAGE
    found = read_descriptions(arguments.file)
    chosen = [item for item in found.items if arguments.split in (None, item.split)]
    folder, entries = image_folder(arguments.file), []
    for item in chosen:
        text = sentence(item, class_words=arguments.class_words, seed=arguments.seed)
        pair = Pair(folder / item.image, text, "", item.line, name=item.image, text=text, folder=folder)
        # The sentence is in the lexicons' terms already: whoever trains on refined captions finds it too.
        entries.append(Entry.of(pair, Refined(text), "describe", path=arguments.out))
    atomic.make_folder(arguments.out.parent, error=ExchangeError)
    write_entries(arguments.out, entries)
    failed = [(f"line {problem.line}", problem.reason) for problem in found.problems]
    if arguments.json:
        print_json({"out": str(arguments.out), "captions": len(entries), "problems": _listed(failed)})
    else:
        print(f"{count(len(entries), 'caption')}, {count(len(failed), 'problem')}: {arguments.out}")
    report_failures(failed)
    return status(done=len(entries), failed=len(failed))


def _wrong_usage(arguments: argparse.Namespace) -> str:
    """Return why the options of `refine` do not go together, "" where they do."""
    llm = arguments.refiner == "llm"
    wrong = {
        "--out OUT.jsonl is needed: that is where the refined captions go.": not (arguments.out or arguments.dry_run),
        f"--out {arguments.out} is the file that is read; name another one.": arguments.out
        and arguments.out.resolve() == arguments.file.resolve(),
        "--endpoint, --send and --dry-run are for --refiner llm; the rules send nothing.": not llm
        and (arguments.send or arguments.dry_run or arguments.endpoint),
        "--refiner llm needs --endpoint URL and --llm NAME.": llm and not (arguments.endpoint and arguments.llm),
        "--send and --dry-run contradict each other.": arguments.send and arguments.dry_run,
        "nothing was sent: add --dry-run to see what would be, or --send to send it.": llm
        and not (arguments.send or arguments.dry_run),
    }
    return next((reason for reason, is_so in wrong.items() if is_so), "")


def _refiner(arguments: argparse.Namespace) -> Refiner:
    if arguments.refiner == "rules":
        from usassist.core.captions.rules import RuleRefiner

        return RuleRefiner()
    from usassist.core.captions.endpoint import is_open_wire
    from usassist.core.captions.llm import LlmRefiner

    if is_open_wire(arguments.endpoint):
        complain("the endpoint is plain http on another machine: captions travel there unencrypted.")
    return LlmRefiner(_settings(arguments))


def _settings(arguments: argparse.Namespace) -> "LlmSettings":
    from usassist.core.captions.llm import LlmSettings

    return LlmSettings(
        arguments.endpoint,
        arguments.llm,
        api_key_env=arguments.api_key_env,
        timeout=arguments.timeout,
        in_flight=arguments.in_flight,
        price_in=arguments.price_in,
        price_out=arguments.price_out,
    )


def _dry_run(arguments: argparse.Namespace, pairs: Pairs, earlier: dict[str, Entry]) -> int:
    """Show every text that would leave the machine, and what it would come to; nothing is sent, no key is read."""
    from usassist.core.captions.endpoint import shown_address
    from usassist.core.captions.llm import estimate, request_body

    settings = _settings(arguments)
    name = f"llm {settings.model}"
    todo = [pair for pair in pairs.items if not (e := earlier.get(pair.name)) or not e.stands(pair, name)]
    bodies = [request_body(pair.caption, settings) for pair in todo]
    sum_up = estimate((pair.caption for pair in todo), settings)
    facts: dict[str, Any] = {
        "endpoint": shown_address(settings.endpoint),
        "captions": sum_up.captions,
        "characters": sum_up.characters,
        "tokens_in_about": sum_up.tokens_in,
        "tokens_out_about": sum_up.tokens_out,
        "cost_about": round(sum_up.cost, 6),
    }
    if arguments.json:
        print_json({**facts, "requests": bodies})
    else:
        if bodies:
            print(f"with each caption: {bodies[0]['messages'][0]['content']}\n")
        for pair, body in zip(todo, bodies, strict=True):
            print(f"line {pair.line}: {body['messages'][1]['content']}")
        print("\nnothing was sent; it would be:")
        for key, value in facts.items():
            print(f"{key}: {value}")
    report_failures(_line_failures(pairs))
    return status(done=max(1, len(pairs.items)), failed=len(pairs.problems))


def _spent(refiner: Refiner, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the endpoint says was used, nothing for the rules."""
    if arguments.refiner == "rules":
        return {}
    usage = cast("LlmRefiner", refiner).usage
    spent = _settings(arguments).cost(usage.tokens_in, usage.tokens_out)
    return {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost": round(spent, 6)}


def _line_failures(pairs: Pairs) -> list[Failure]:
    return [(f"line {problem.line}", problem.reason) for problem in pairs.problems]


def _listed(failed: Iterable[Failure]) -> list[dict[str, Any]]:
    return [{"line": int(name.removeprefix("line ")), "reason": reason} for name, reason in failed]


def _out_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or is_table(path):
        raise argparse.ArgumentTypeError(f"{text} is no file of JSON lines; name one such as captions.jsonl")
    return path


def _price(text: str) -> float:
    return _between(text, 0.0, 1e6, "a price")


def _seconds(text: str) -> float:
    return _between(text, 1.0, 3600.0, "a number of seconds")


def _few(text: str) -> int:
    return int(_between(text, 1, 64, "a number"))


def _between(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low:g} to {high:g}")
    return value
