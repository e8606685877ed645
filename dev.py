#!/usr/bin/env python3
"""One command from a fresh checkout to a running program: sets everything up, then does what it was asked.

    python3 dev.py demo [DATA]       the main job on the sample (and on DATA), with a table and a screenshot
    python3 dev.py test [ARGS ...]   the tests; ARGS go to pytest
    python3 dev.py check             format, lint, types, import contracts and tests
    python3 dev.py app [PATH ...]    the application
    python3 dev.py shots             screenshots of every main state, into out/shots/

Needs Python 3.11 or newer and nothing else. Everything is installed into `.venv` beside this file; a second run finds
the stamp of the first and starts at once.

PyTorch: a Linux machine without an NVIDIA GPU is given the CPU build (200 MB instead of 3 GB) from PyTorch's own index
where that can be reached and pip's settings name no index of their own; every other machine takes what its package
index offers. USASSIST_TORCH_INDEX names another index, or is "none" to use pip's settings only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "usassist-stamp"
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"

# What Qt, OpenCV and the X11 platform load at run time: library, then the Debian package that holds it.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
PROGRAMS = {"Xvfb": "xvfb", "xauth": "xauth"}


class SetupError(Exception):
    """Something this machine lacks; the message says what, and how to get it."""


def main(arguments: list[str]) -> int:
    """Set up, then run the command; return its exit status."""
    commands = {"demo": demo, "test": test, "check": check, "app": app, "shots": shots}
    if not arguments or arguments[0] not in commands:
        print(__doc__.strip())
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    try:
        set_up()
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    try:
        return commands[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        return 130


def demo(arguments: list[str]) -> int:
    """Run the main job in a child without a display, then show the window where there is a display."""
    status = in_venv([str(ROOT / "benchmarks" / "demo.py"), *arguments], offscreen=True)
    if status == 0 and has_display():
        shown = arguments[:1] or [str(ROOT / "resources" / "sample")]
        subprocess.Popen([str(python()), "-m", "usassist", *shown])
        print("The window is open on the same frames.")
    return status


def test(arguments: list[str]) -> int:
    """Run pytest; paths in its arguments are relative to this file's folder."""
    return in_venv(["-m", "pytest", *arguments], offscreen=True, cwd=ROOT)


def check(arguments: list[str]) -> int:
    """Run every check, also after one has failed, so that one run shows all there is to do."""
    contracts = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_logo=True))"
    steps = {
        "format": ["-m", "ruff", "format", "--check", "."],
        "lint": ["-m", "ruff", "check", "."],
        "types": ["-m", "mypy"],
        "contracts": ["-c", contracts],
        "tests": ["-m", "pytest", *arguments],
    }
    failed = [name for name, step in steps.items() if in_venv(step, offscreen=True, cwd=ROOT) != 0]
    print(f"check: {', '.join(failed) + ' failed' if failed else 'all passed'} ({len(steps)} steps)")
    return 1 if failed else 0


def app(arguments: list[str]) -> int:
    """Open the application on files, folders or a project."""
    return in_venv(["-m", "usassist", *arguments])


def shots(arguments: list[str]) -> int:
    """Write a screenshot of every main state."""
    return in_venv([str(ROOT / "benchmarks" / "shots.py"), *arguments], offscreen=True)


def in_venv(arguments: list[str], *, offscreen: bool = False, cwd: Path | None = None) -> int:
    """Run the environment's Python and return its status; `offscreen` gives Qt no screen unless one is named."""
    environment = dict(os.environ)
    if offscreen:
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    return subprocess.run([str(python()), *arguments], env=environment, cwd=cwd).returncode


def has_display() -> bool:
    """Return whether a window would be seen."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return not os.environ.get("CI")


# --- set-up ----------------------------------------------------------------------------------------------------------


def set_up() -> None:
    """Bring `.venv` and the system's libraries to what pyproject.toml asks for; do nothing where they are."""
    if sys.version_info < (3, 11):
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {platform.python_version()}. Install one (python.org, your "
            "package manager, or `uv python install 3.12`) and run dev.py with it."
        )
    check_libraries()
    if python().exists() and STAMP.exists() and STAMP.read_text(encoding="utf-8") == fingerprint():
        return
    print("Setting up .venv; the first time takes a few minutes.", flush=True)
    make_venv()
    install()
    STAMP.write_text(fingerprint(), encoding="utf-8")


def python() -> Path:
    """Return the interpreter of `.venv`."""
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def fingerprint() -> str:
    """Return a hash that changes when the environment must be made anew: its declaration, its Python, its place."""
    facts = (ROOT / "pyproject.toml").read_bytes() + f"{sys.version_info[:2]} {ROOT}".encode()
    return hashlib.sha256(facts).hexdigest()


def make_venv() -> None:
    """Make `.venv`, anew where what is there does not start."""
    works = python().exists() and subprocess.run([python(), "-m", "pip", "--version"], capture_output=True)
    if works and works.returncode == 0:
        return
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, capture_output=True, text=True)
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if done.returncode != 0 and "ensurepip" in done.stdout + done.stderr and can_apt():
        apt_install([package])
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        hint = f" On Debian or Ubuntu: sudo apt-get install {package}." if shutil.which("apt-get") else ""
        raise SetupError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}".rstrip() + hint)


def install() -> None:
    """Install the project, editable, with everything its development needs."""
    command = [str(python()), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--editable", ".[dev]"]
    index = torch_index()
    if index:
        command += ["--extra-index-url", index]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise SetupError(
            "pip could not install the project; its message is above. Check the network or pip's settings "
            "(`pip config list`) and run the same command again: what is already installed is kept."
        )


def torch_index() -> str:
    """Return the index of PyTorch's CPU builds where they are wanted and can be reached, else ""."""
    named = os.environ.get("USASSIST_TORCH_INDEX", "")
    if named:
        return "" if named == "none" else named
    if not sys.platform.startswith("linux") or has_nvidia() or offers_cpu_torch():
        return ""
    try:
        with urllib.request.urlopen(f"{CPU_TORCH_INDEX}/torch/", timeout=5) as answer:
            return CPU_TORCH_INDEX if answer.status == 200 else ""
    except (urllib.error.URLError, OSError):
        return ""


def has_nvidia() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def offers_cpu_torch() -> bool:
    """Return whether pip's own settings already lead to a CPU build, as they do on a machine with a mirror."""
    settings = subprocess.run([python(), "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    return "index" in settings or "find-links" in settings


def check_libraries() -> None:
    """Install the system libraries Qt and OpenCV need on Debian as root; elsewhere say which are missing."""
    missing = missing_packages()
    if not missing:
        return
    if can_apt():
        apt_install(missing)
        return
    print(
        f"dev.py: not found on this machine: {', '.join(missing.values())}.\n"
        f"  On Debian or Ubuntu: sudo apt-get install {' '.join(missing)}\n"
        "  Elsewhere install the packages that hold these files. Going on without; where one is really needed, the "
        "error of the program that needs it names it.",
        file=sys.stderr,
    )


def missing_packages() -> dict[str, str]:
    """Return {Debian package: what it holds} for what is missing; empty where that cannot be told."""
    ldconfig = shutil.which("ldconfig", path=os.pathsep.join((os.environ.get("PATH", ""), "/sbin", "/usr/sbin")))
    if not sys.platform.startswith("linux") or ldconfig is None:
        return {}
    known = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
    missing = {package: library for library, package in LIBRARIES.items() if f"{library} " not in known}
    return missing | {package: name for name, package in PROGRAMS.items() if shutil.which(name) is None}


def can_apt() -> bool:
    return sys.platform.startswith("linux") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: Iterable[str]) -> None:
    """Install Debian packages, after refreshing the lists where the first try does not find them."""
    names = list(packages)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    print(f"Installing system packages: {' '.join(names)}", flush=True)
    if subprocess.run(command, env=environment, capture_output=True).returncode == 0:
        return
    subprocess.run(["apt-get", "update"], env=environment, capture_output=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SetupError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
