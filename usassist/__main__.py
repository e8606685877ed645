"""`usassist`: a command goes to the command line, everything else to the window; neither imports the other."""

import sys


def main() -> int:
    """Run the process's arguments and return its exit status."""
    from usassist.core.cli.main import COMMANDS

    given = sys.argv[1:]
    if given and (given[0] in COMMANDS or given[0] in {"-h", "--help", "--version"}):
        from usassist.core.cli.main import main as run_command

        return run_command(given)
    from usassist.gui.app import main as open_window

    return open_window(given)


if __name__ == "__main__":
    sys.exit(main())
