"""`usassist models list|show|add`: the models that can be chosen, without loading one."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from usassist.core.cli.output import Exit, complain, print_json, print_table
from usassist.core.models.weights import DEFAULT_MODEL, ModelInfo, add_model, find_model, list_models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare list, show and add."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|add", required=True)
    listing = actions.add_parser("list", help="every model, shipped and added")
    listing.set_defaults(work=_list)
    show = actions.add_parser("show", help="what one model is: its card, folder and hash")
    show.add_argument("name", metavar="NAME|DIR", nargs="?", default=DEFAULT_MODEL, help="(default: %(default)s)")
    show.set_defaults(work=_show)
    add = actions.add_parser("add", help="copy the result of a training run among the models")
    add.add_argument("run", metavar="RUN", type=Path, help="the folder of a run, or of a model")
    add.add_argument("--name", metavar="NAME", help="what to call it (default: the name in its recipe)")
    add.set_defaults(work=_add)
    for action in (listing, show, add):
        action.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    return cast("Callable[[argparse.Namespace], int]", arguments.work)(arguments)


def _list(arguments: argparse.Namespace) -> int:
    models = list_models()
    if arguments.json:
        print_json({"default": DEFAULT_MODEL, "models": [_facts(info) for info in models]})
    elif models:
        header = ("name", "origin", "title", "weights")
        print_table([(i.name, i.origin, i.title, i.problem or i.weights_hash[:12]) for i in models], header=header)
    else:
        complain("there is no model; add one with `usassist models add RUN`.")
    return Exit.DONE


def _show(arguments: argparse.Namespace) -> int:
    info = find_model(arguments.name)
    if arguments.json:
        print_json(_facts(info) | {"card": info.card})
        return Exit.DONE
    for name, value in _facts(info).items():
        if value:
            print(f"{name}: {value}")
    print(f"\n{info.card}" if info.card else "It has no model card.")
    return Exit.DONE


def _add(arguments: argparse.Namespace) -> int:
    info = add_model(arguments.run, name=arguments.name)
    if arguments.json:
        print_json(_facts(info))
    else:
        print(f"Added {info.name} at {info.folder}. Use it with --model {info.name}, or choose it in the window.")
    return Exit.DONE


def _facts(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "title": info.title,
        "origin": info.origin,
        "folder": str(info.folder),
        "weights_hash": info.weights_hash,
        "problem": info.problem,
    }
