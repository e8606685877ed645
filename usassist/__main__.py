"""`usassist`: a command goes to the command line, everything else to the window; neither imports the other."""

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def main() -> int:
    """Run the process's arguments and return its exit status."""
    from usassist.core.cli.main import COMMANDS

    given = sys.argv[1:]
    if given and (given[0] in COMMANDS or given[0] in {"-h", "--help", "--version"}):
        from usassist.core.cli.main import main as run_command

        return run_command(given)
    if given and given[0].isalpha() and not Path(given[0]).exists():
        # A mistyped command is no reason to open an empty window; a program would wait for it for ever.
        known = ", ".join(COMMANDS)
        sys.stderr.write(f"usassist: there is no command, file or folder {given[0]!r}; the commands are {known}.\n")
        return 2
    return _window()(given)


def _window() -> Callable[[Sequence[str]], int]:
    """Import the window; what that makes stays for good, so the garbage collector need not walk it, now or later."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        from usassist.gui.app import main as open_window
    finally:
        if collecting:
            gc.freeze()
            gc.enable()
    return open_window


if __name__ == "__main__":
    if getattr(sys, "frozen", False):
        # A packed program starts its engines by running itself again; this turns such a start into the engine.
        from multiprocessing import freeze_support

        freeze_support()
    sys.exit(main())
