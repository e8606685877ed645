"""`usassist models list|show|add|card|familiarise|verify|remove`: the models there are, what they are."""

import argparse
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from usassist.core.cli.arguments import add_verbosity, out_folder
from usassist.core.cli.output import Exit, complain, print_json, print_table, progress_of_each, report_failures
from usassist.core.errors import ModelError
from usassist.core.models.config import CARD_FILE
from usassist.core.models.inventory import facts_of, kind_of
from usassist.core.models.weights import DEFAULT_MODEL, find_model, list_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare list, show, add, card, familiarise, verify and remove."""
    names = "list|show|add|card|familiarise|verify|remove"
    actions = parser.add_subparsers(dest="action", metavar=names, required=True)
    listing = actions.add_parser("list", help="every model, shipped and added")
    listing.set_defaults(work=_list)
    show = actions.add_parser("show", help="what one model is: its family, sizes, uses, folder, hash and card")
    show.add_argument("name", metavar="NAME|DIR", nargs="?", default=DEFAULT_MODEL, help="(default: %(default)s)")
    show.add_argument("--card", action="store_true", help="print the whole model card, not only how it begins")
    show.set_defaults(work=_show)
    add = actions.add_parser("add", help="add the result of a training run, or weights from elsewhere")
    add.add_argument(
        "source",
        metavar="RUN|FILE|DIR|TAG:MODEL",
        help="the folder of a run or of a model; weights as OpenAI, open_clip or transformers publish them; or, where "
        "there is a network, a name such as openai:ViT-B-16 or hf-hub:OWNER/NAME",
    )
    add.add_argument("--name", metavar="NAME", help="what to call it (default: the name in its recipe, or the file's)")
    add.add_argument(
        "--as",
        dest="choice",
        metavar="CONFIGURATION",
        default="",
        help="the open_clip configuration of the weights, where the file does not tell, such as ViT-B-16-quickgelu",
    )
    add.set_defaults(work=_add)
    card = actions.add_parser("card", help="write a model's card from finished evaluations")
    _add_card_arguments(card)
    familiarise = actions.add_parser("familiarise", help="let a model learn which images are unlike its training's")
    familiarise.add_argument("name", metavar="NAME|RUN|DIR", help="a model that you added, or its folder")
    familiarise.add_argument(
        "--data", metavar="DATASET", type=Path, action="append", required=True, help="what it was trained on; repeat"
    )
    familiarise.set_defaults(work=_familiarise)
    verify = actions.add_parser("verify", help="hash the files again and compare with the day the model was added")
    verify.add_argument("names", metavar="NAME|DIR", nargs="*", help="(default: every model)")
    verify.set_defaults(work=_verify)
    remove = actions.add_parser("remove", help="remove a model that you added")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(work=_remove)
    for action in (listing, show, add, card, familiarise, verify, remove):
        action.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        add_verbosity(action, again=True)


def _add_card_arguments(card: argparse.ArgumentParser) -> None:
    card.add_argument("name", metavar="NAME|RUN|DIR", help="a model, or the folder of a run")
    for option, metavar, words in (
        ("--report", "DIR", "an --out of `usassist evaluate` on this model; repeat"),
        ("--benchmark", "FILE", "a benchmark's JSON with a table; repeat"),
        ("--run", "RUN", "an earlier run that led to it, for the time; repeat"),
    ):
        card.add_argument(option, metavar=metavar, type=Path, action="append", default=[], help=words)
    card.add_argument("--watts", metavar="W", type=_watts, help="what the machine draws, for an estimate of the energy")
    card.add_argument("--notes", metavar="FILE", type=Path, help="Markdown of your own, put in as it is")
    card.add_argument(
        "--out", metavar="DIR", type=out_folder, required=True, help="for CARD.md and its figures; a run's own is usual"
    )
    card.set_defaults(work=_card)


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    return cast("Callable[[argparse.Namespace], int]", arguments.work)(arguments)


def _watts(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no power in watts")
    return value


def _card(arguments: argparse.Namespace) -> int:
    from usassist.core.cli.model_card import write_card

    path = write_card(
        arguments.name,
        out=arguments.out,
        reports=arguments.report,
        benchmarks=arguments.benchmark,
        runs=arguments.run,
        watts=arguments.watts,
        notes=arguments.notes,
    )
    if arguments.json:
        print_json({"card": str(path)})
    else:
        print(path)
    return Exit.DONE


def _familiarise(arguments: argparse.Namespace) -> int:
    from usassist.core.cli.familiarise import familiarise

    with progress_of_each(quiet=arguments.quiet > 0) as on_progress:
        found = familiarise(arguments.name, arguments.data, on_progress=on_progress)
    if arguments.json:
        print_json({"name": arguments.name, "images": found.images, "limit": found.limit})
    else:
        print(f"{arguments.name} has looked at {found.images} of its training images and warns of what is unlike them.")
    return Exit.DONE


def _list(arguments: argparse.Namespace) -> int:
    models = list_models()
    if arguments.json:
        print_json({"default": DEFAULT_MODEL, "models": [facts_of(info) for info in models]})
    elif models:
        rows = [(i.name, kind_of(i), i.origin, i.title, i.problem or i.weights_hash[:12]) for i in models]
        print_table(rows, header=("name", "kind", "origin", "title", "weights"))
    else:
        complain("there is no model; add one with `usassist models add RUN|FILE`.")
    return Exit.DONE


def _show(arguments: argparse.Namespace) -> int:
    info = find_model(arguments.name)
    if arguments.json:
        print_json(facts_of(info) | {"card": info.card})
        return Exit.DONE
    facts = facts_of(info)
    facts["parameters"] = _in_words(facts)
    for name, value in facts.items():
        if name not in ("parameters_stored", "parameters_learned") and value not in ("", None, []):
            print(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    card = info.card
    if not card:
        print("It has no model card.")
        return Exit.DONE
    print(f"card: {info.folder / CARD_FILE}")
    print(f"\n{card if arguments.card else _beginning(card)}".rstrip())
    if not arguments.card:
        print("\n--card prints the whole card.")
    return Exit.DONE


def _beginning(card: str) -> str:
    """Return the first paragraph of a card that is no heading, wrapped; "" where it has none."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n\s*\n", card)]
    return textwrap.fill(next((words for words in paragraphs if words and not words.startswith("#")), ""), width=100)


def _in_words(facts: dict[str, Any]) -> str:
    """Say how many parameters there are, and which of them learned where that is known."""
    every, stored = facts.get("parameters"), facts.get("parameters_stored")
    if stored is None:
        return ""
    if facts.get("parameters_learned") is None:
        return f"{stored:,} in all, all of them in its own file"
    total = "not known in all: its base is missing" if every is None else f"{every:,} in all"
    return f"{total}; {stored:,} learned (adapters and head) and are in its own file, the rest is its base's"


def _add(arguments: argparse.Namespace) -> int:
    from usassist.core.models.adding import add

    info = add(arguments.source, name=arguments.name, choice=arguments.choice)
    if arguments.json:
        print_json(facts_of(info))
    elif kind_of(info) == "encoder":
        print(f"Added {info.name} at {info.folder}: {info.title}. `usassist models show {info.name}` says what for.")
    else:
        print(f"Added {info.name} at {info.folder}. Use it with --model {info.name}, or choose it in the window.")
    return Exit.DONE


def _verify(arguments: argparse.Namespace) -> int:
    from usassist.core.models.adding import verify_model

    names = arguments.names or [info.name for info in list_models()]
    results: list[dict[str, Any]] = []
    failed: list[tuple[str, str]] = []
    shipped: set[str] = set()
    for name in names:
        try:
            found = verify_model(name)
            if find_model(name).origin == "shipped":
                shipped.add(name)
        except ModelError as error:
            failed.append((name, str(error)))
            continue
        results.append({"name": name, "unchanged": found.unchanged, "changed": found.changed, "missing": found.missing})
        if not found.is_sound:
            gone = ", ".join((*found.changed, *found.missing))
            since = "it was shipped; install usassist" if name in shipped else "the model was added; add it"
            failed.append((name, f"{gone} changed or vanished since {since} again."))
    sound = [result["name"] for result in results if not result["changed"] and not result["missing"]]
    if arguments.json:
        failures = [{"name": name, "reason": reason} for name, reason in failed]
        print_json({"models": results, "failed": failures})
    else:
        for name in sound:
            print(f"{name}: {'as shipped' if name in shipped else 'unchanged since it was added'}")
    report_failures(failed)
    if not failed:
        return Exit.DONE
    return Exit.PARTLY if sound else Exit.NOTHING


def _remove(arguments: argparse.Namespace) -> int:
    from usassist.core.models.adding import remove_model

    folder = remove_model(arguments.name)
    if arguments.json:
        print_json({"name": arguments.name, "folder": str(folder)})
    else:
        print(f"Removed {arguments.name} from {folder.parent}.")
    return Exit.DONE
