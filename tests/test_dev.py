"""dev.py: standard library only, quick when there is nothing to do, plain about what is missing."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / "dev.py"


@pytest.fixture
def dev(tmp_path: Path) -> ModuleType:
    """Return dev.py as a module that believes to live in a folder of its own."""
    shutil.copy(DEV, tmp_path / "dev.py")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'one'\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("dev_under_test", tmp_path / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ready(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return dev.py with an environment that is up to date, where any child but ldconfig is a failure."""
    dev.python().parent.mkdir(parents=True)
    dev.python().touch()
    dev.STAMP.write_text(dev.fingerprint(), encoding="utf-8")
    monkeypatch.setattr(dev, "check_libraries", lambda: None)
    monkeypatch.setattr(dev.subprocess, "run", lambda *_args, **_options: pytest.fail("a child was started"))
    return dev


def test_it_needs_the_standard_library_only() -> None:
    tree = ast.parse(DEV.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_an_older_python_can_read_it_and_is_told() -> None:
    """The file parses as Python 3.7, so that the sentence about 3.11 is reached and not a SyntaxError."""
    ast.parse(DEV.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_an_older_python_is_refused_plainly(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev.sys, "version_info", (3, 10, 4))
    with pytest.raises(dev.SetupError, match=r"Python 3\.11 or newer is needed"):
        dev.set_up()


def test_no_command_explains_itself_and_is_wrong_usage() -> None:
    done = subprocess.run([sys.executable, str(DEV)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    for command in ("demo", "test", "check", "app", "shots"):
        assert f"dev.py {command}" in done.stdout


def test_nothing_to_do_starts_no_child(ready: ModuleType) -> None:
    ready.set_up()  # `ready` fails the test at the first child


@pytest.mark.parametrize("change", ["pyproject", "python", "stamp"])
def test_a_change_sets_up_again(ready: ModuleType, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if change == "pyproject":
        (ready.ROOT / "pyproject.toml").write_text("[project]\nname = 'two'\n", encoding="utf-8")
    elif change == "python":
        ready.python().unlink()
    else:
        ready.STAMP.unlink()
    calls: list[str] = []
    monkeypatch.setattr(ready, "make_venv", lambda: calls.append("venv"))
    monkeypatch.setattr(ready, "install", lambda: calls.append("install"))
    ready.set_up()
    assert calls == ["venv", "install"]
    assert ready.STAMP.read_text(encoding="utf-8") == ready.fingerprint()


def test_a_failed_installation_leaves_no_stamp(ready: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.STAMP.unlink()
    monkeypatch.setattr(ready, "make_venv", lambda: None)
    monkeypatch.setattr(ready, "torch_index", lambda: "")
    monkeypatch.setattr(ready.subprocess, "run", lambda *_args, **_options: subprocess.CompletedProcess([], 1))
    with pytest.raises(ready.SetupError, match="pip could not install"):
        ready.set_up()
    assert not ready.STAMP.exists()


def test_missing_libraries_are_named_with_their_packages(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = "\n".join(
        f"\t{library} (libc6,x86-64) => {library}" for library in dev.LIBRARIES if "cursor" not in library
    )
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.setattr(dev.shutil, "which", lambda name, **_options: None if name == "Xvfb" else f"bin/{name}")
    monkeypatch.setattr(dev.subprocess, "run", lambda *_a, **_o: subprocess.CompletedProcess([], 0, known, ""))
    assert dev.missing_packages() == {"libxcb-cursor0": "libxcb-cursor.so.0", "xvfb": "Xvfb"}
    monkeypatch.setattr(dev, "can_apt", lambda: False)
    dev.check_libraries()
    said = capsys.readouterr().err
    assert "libxcb-cursor.so.0, Xvfb" in said
    assert "sudo apt-get install libxcb-cursor0 xvfb" in said


def test_root_on_debian_gets_them_installed(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 100 if len(commands) == 1 else 0, "", "")

    monkeypatch.setattr(dev, "missing_packages", lambda: {"xvfb": "Xvfb"})
    monkeypatch.setattr(dev, "can_apt", lambda: True)
    monkeypatch.setattr(dev.subprocess, "run", run)
    dev.check_libraries()
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "xvfb"]
    assert commands == [install, ["apt-get", "update"], install]


@pytest.mark.parametrize(
    ("named", "nvidia", "own_index", "expected"),
    [
        ("", False, False, "https://download.pytorch.org/whl/cpu"),
        ("", True, False, ""),
        ("", False, True, ""),
        ("none", False, False, ""),
        ("https://mirror.example/cpu", True, True, "https://mirror.example/cpu"),
    ],
)
def test_which_build_of_torch(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, *, named: str, nvidia: bool, own_index: bool, expected: str
) -> None:
    class Answer:
        status = 200

        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *_error: object) -> None:
            return None

    monkeypatch.setenv("USASSIST_TORCH_INDEX", named)
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.setattr(dev, "has_nvidia", lambda: nvidia)
    monkeypatch.setattr(dev, "offers_cpu_torch", lambda: own_index)
    monkeypatch.setattr(dev.urllib.request, "urlopen", lambda *_args, **_options: Answer())
    assert dev.torch_index() == expected


def test_an_index_that_cannot_be_reached_is_left_out(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("no network")

    monkeypatch.delenv("USASSIST_TORCH_INDEX", raising=False)
    monkeypatch.setattr(dev.sys, "platform", "linux")
    monkeypatch.setattr(dev, "has_nvidia", lambda: False)
    monkeypatch.setattr(dev, "offers_cpu_torch", lambda: False)
    monkeypatch.setattr(dev.urllib.request, "urlopen", refuse)
    assert dev.torch_index() == ""


def test_check_runs_every_step_even_after_a_failure(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def in_venv(arguments: list[str], **_options: object) -> int:
        ran.append(" ".join(arguments[:3]))
        return 1 if "format" in arguments else 0

    monkeypatch.setattr(dev, "in_venv", in_venv)
    assert dev.check([]) == 1
    assert len(ran) == 5
    assert capsys.readouterr().out == "check: format failed (5 steps)\n"
