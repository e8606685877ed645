"""The rules of the house, checked on the source itself: imports, start-up, assertions, output and names."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchvision", "open_clip", "timm", "PySide6", "shiboken6"}
TEXT_SUFFIXES = {".py", ".toml", ".md", ".html", ".qss", ".json", ".csv", ".j2", ".txt", ".yml", ".yaml", ""}
# Folders of one machine: where a path starts at the root of a file system, the project works on that machine only.
MACHINE_PATH = re.compile(r"(?<![\w.:/~<$}])/(?:work|home|root|Users|mnt|media|opt|srv)/[\w.-]+|\b[A-Za-z]:\\+Users\b")
VAGUE_NAMES = re.compile(r"(?:manager|helper|handler|utils?|types|misc|common)$", re.IGNORECASE)

# What must start without torch and without Qt, and how; {sample} is the shipped sample's folder.
LIGHT_STARTS = {
    "import usassist": [],
    "help": ["--help"],
    "info": ["info", "{sample}", "--json"],
    "models list": ["models", "list"],
    "propose help": ["propose", "--help"],
    "evaluate help": ["evaluate", "--help"],
}


def _product_files() -> list[Path]:
    return sorted((ROOT / "usassist").rglob("*.py"))


def _text_files() -> Iterator[Path]:
    names = ("usassist", "tests", "benchmarks", "docs", "resources", ".ci")
    top = [ROOT / name for name in ("README.md", "dev.py", "pyproject.toml", "NOTICE")]
    for path in [*top, *(path for name in names for path in sorted((ROOT / name).rglob("*")))]:
        if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts:
            yield path


def _found(matches: Callable[[ast.AST], bool], files: list[Path]) -> list[str]:
    """Return `file:line` of every syntax node that matches."""
    found = []
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        found += [f"{_name(path)}:{getattr(node, 'lineno', 0)}" for node in ast.walk(tree) if matches(node)]
    return found


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_import_contracts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every contract of pyproject.toml holds: core never knows the window, rooms use only rooms below them."""
    # It would set up logging for a program of its own, which silences every logger that exists, for later tests too.
    monkeypatch.setattr("logging.config.dictConfig", lambda _config: None)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_every_room_is_built() -> None:
    """A room in parentheses is one that does not exist yet; once it does, its parentheses go."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    optional = set(re.findall(r"\((\w+)\)", text.split("[tool.importlinter]", 1)[1]))
    built = {
        path.relative_to(ROOT / "usassist").parts[1].removesuffix(".py")
        for path in _product_files()
        if len(path.relative_to(ROOT).parts) > 2
    }
    assert not optional & built


def test_no_assert_in_the_product() -> None:
    """`python -O` must not change what is checked: input is refused with a UsassistError."""
    assert not _found(lambda node: isinstance(node, ast.Assert), _product_files())


def test_no_print_outside_the_command_line() -> None:
    def is_print(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"

    cli = ROOT / "usassist" / "core" / "cli"
    assert not _found(is_print, [path for path in _product_files() if cli not in path.parents])


def test_names_say_what_a_thing_is() -> None:
    """A class or a file called a manager, helper, handler or utils has not been given its noun yet."""
    files = [_name(path) for path in _product_files() if VAGUE_NAMES.search(path.stem)]
    classes = _found(
        lambda node: isinstance(node, ast.ClassDef) and bool(VAGUE_NAMES.search(node.name)), _product_files()
    )
    assert not files + classes


def test_no_machine_paths() -> None:
    found = []
    for path in _text_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{_name(path)}:{number}" for number, line in enumerate(lines, 1) if MACHINE_PATH.search(line)]
    assert not found


def test_links_in_the_documents_lead_somewhere() -> None:
    lost = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
        lost += [f"{_name(page)}: {target}" for target in targets if not (page.parent / target).exists()]
    assert not lost


@pytest.mark.parametrize("arguments", LIGHT_STARTS.values(), ids=LIGHT_STARTS.keys())
def test_start_imports_neither_torch_nor_qt(arguments: list[str], sample_dir: Path) -> None:
    """A command that only reads answers in a moment: nothing heavy is imported on its way."""
    filled = [argument.format(sample=sample_dir) for argument in arguments]
    run = (
        "from usassist.core.cli.main import main\ncode = main(sys.argv[1:])" if filled else "import usassist\ncode = 0"
    )
    script = (
        f"import sys\ntry:\n    {run.replace(chr(10), chr(10) + '    ')}\n"
        "except SystemExit as stop:\n    code = stop.code or 0\n"
        f"import json\nprint(json.dumps([code, sorted({HEAVY!r} & set(sys.modules))]), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *filled], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []], done.stderr
