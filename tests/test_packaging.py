"""A wheel, installed where no checkout is near, has everything inside: resources, sample, icons, themes, model."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """A clean environment with the wheel in it, and an empty folder to run from."""

    wheel: Path
    folder: Path
    elsewhere: Path

    def program(self, name: str) -> Path:
        """Return the path of a program of the environment."""
        windows = os.name == "nt"
        return self.folder / ("Scripts" if windows else "bin") / (f"{name}.exe" if windows else name)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, far from the checkout."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(self.program(command[0])), *command[1:]],
            cwd=self.elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ask(self, code: str) -> Any:
        """Run code that fills `answer` and return it."""
        script = f"import json, sys\nfrom pathlib import Path\nanswer = None\n{code}\nprint(json.dumps(answer))"
        done = self.run("python", "-c", script)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it; the dependencies are those of the running environment, torch is never copied."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = (place / "dist").glob("*.whl")
    venv.create(place / "venv", with_pip=False)
    made = Installed(wheel, place / "venv", place / "elsewhere")
    made.elsewhere.mkdir()
    site = Path(made.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
    # A folder named by a .pth file is searched, its own .pth files are not read: the editable checkout stays unseen.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(made.program("python")),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
    ]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True, capture_output=True, timeout=120)
    return made


def test_the_wheel_holds_every_resource_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        inside = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
        licences = {Path(name).name for name in archive.namelist() if "licenses/" in name}
    shipped = {
        f"usassist/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "resources").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= inside
    assert not [name for name in inside if not name.startswith("usassist/") or "/tests/" in name]
    assert licences == {"LICENSE", "NOTICE"}


def test_it_runs_from_the_wheel_and_finds_its_resources(installed: Installed) -> None:
    code = "import usassist\nfrom usassist.core import paths\nanswer = [usassist.__file__, str(paths.resources())]"
    package, resources = (Path(path).resolve() for path in installed.ask(code))
    assert installed.folder.resolve() in package.parents
    assert resources == package.parent / "resources"


def test_both_commands_are_there(installed: Installed) -> None:
    assert installed.run("usassist", "--version").stdout.startswith("usassist ")
    assert "segment" in installed.run("usassist-train", "--help").stdout


def test_the_sample_opens(installed: Installed) -> None:
    code = """
from usassist.core import paths
from usassist.core.io.open_study import find_sources, open_source
reader = open_source(find_sources(paths.resources() / "sample" / "images" / "breast_cine.dcm")[0])
answer = [len(reader.study.frames), list(reader.frame(59).shape)]
"""
    assert installed.ask(code) == [60, [320, 424]]


def test_the_icon_and_both_themes_load(installed: Installed) -> None:
    code = """
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication
from usassist.core import paths
from usassist.gui import theme
app = QApplication([])
own = QIcon(str(paths.resources() / "icons" / "usassist.svg"))
answer = [own.pixmap(64, 64).toImage().pixelColor(32, 32).alpha() > 0]
for name in ("dark", "light"):
    theme.apply(app, name)
    answer.append(bool(app.styleSheet()) and not theme.icon("fa6s.brush").pixmap(32, 32).isNull())
"""
    assert installed.ask(code) == [True, True, True]


def test_the_shipped_model_proposes_on_the_sample(installed: Installed) -> None:
    out = installed.elsewhere / "out"
    sample = installed.ask("from usassist.core import paths\nanswer = str(paths.resources() / 'sample')")
    still = str(Path(sample) / "images" / "linear_lesions.png")
    done = installed.run("usassist", "propose", still, "--out", str(out), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    document = json.loads((out / "proposals.json").read_text(encoding="utf-8"))
    assert (document["model"], document["engine"], len(document["weights_hash"])) == ("usassist-us", "clip_mona", 64)
    assert (out / document["items"][0]["mask"]).is_file()
