"""`usassist COMMAND`: finds the command, runs it, and turns what happens into an exit status."""

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol, cast

from usassist import __version__
from usassist.core import log
from usassist.core.cli.arguments import add_verbosity
from usassist.core.cli.output import Exit, complain
from usassist.core.errors import UsassistError

COMMANDS = {
    "info": "say what files hold: frames, size, calibration, frame time",
    "propose": "write a mask for every frame, with an engine",
    "evaluate": "score an engine, or masks, against the truth",
    "data": "check a dataset: counts, and what crosses its splits",
    "models": "list, show and add models",
    "captions": "check, refine and write the captions of images",
    "doctor": "check this machine: versions, device, codecs, models",
}
"""Command name to one line; the module of the same name in this room is imported only where it is asked for."""


class Command(Protocol):
    """A module of this room that is a command."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return an exit status; raises UsassistError where nothing could be done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `usassist` with `argv` (default: the process's) and return the exit status of CLI.md."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(given)
    arguments = parser.parse_args(given)
    if arguments.command is None:
        parser.print_help()
        return Exit.DONE
    command = cast("Command", importlib.import_module(f"usassist.core.cli.{arguments.command}"))
    return guarded(command.run, arguments)


def build_parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for `given`: every command is named, only the ones in `given` declare their arguments."""
    parser = argparse.ArgumentParser(
        prog="usassist",
        description="Annotate ultrasound with a local model. Without a command, PATH ... opens the application.",
        epilog="`usassist COMMAND --help` says more. Training is `usassist-train`. For research; not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"usassist {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        child = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in given:
            cast("Command", importlib.import_module(f"usassist.core.cli.{name}")).add_arguments(child)
            add_verbosity(child)
    return parser


def guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command; an error written for the user becomes one line on stderr and the status 1.

    It is the last that a process does: once it was stopped, Ctrl+C is ignored for good.
    """
    log.configure(verbosity=arguments.verbose - arguments.quiet)
    try:
        done = run(arguments)
    except UsassistError as error:
        complain(str(error))
        return Exit.NOTHING
    except KeyboardInterrupt:
        _ignore_interrupts()
        complain("stopped; what was finished is kept.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout (head, less) went away: not an error, but Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    if done == Exit.INTERRUPTED:
        _ignore_interrupts()
    return done


def _ignore_interrupts() -> None:
    """Leave the end of the process alone: who holds Ctrl+C down would get a traceback for a stop that is under way."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        while signal.getsignal(number) is signal.default_int_handler:  # the one that raises KeyboardInterrupt
            with contextlib.suppress(KeyboardInterrupt):
                signal.signal(number, signal.SIG_IGN)


def run_and_exit() -> NoReturn:
    """Entry for `python -m usassist.core.cli.main`."""
    sys.exit(main())


if __name__ == "__main__":
    run_and_exit()
