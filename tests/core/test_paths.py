"""Resources are found in a checkout and in a wheel, and the user's folder follows USASSIST_HOME."""

from pathlib import Path

import pytest

from usassist.core import paths


def test_resources_of_a_checkout_lie_beside_the_package() -> None:
    assert paths.resources() == Path(paths.__file__).resolve().parents[2] / "resources"
    assert (paths.resources() / "sample").is_dir()


def test_resources_of_an_installed_wheel_lie_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usassist" / "resources").mkdir(parents=True)
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "usassist")
    assert paths.resources() == tmp_path / "usassist" / "resources"


def test_the_users_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USASSIST_HOME", str(tmp_path / "mine"))
    assert paths.user_home() == tmp_path / "mine"
    assert paths.user_models() == tmp_path / "mine" / "models"
    assert paths.settings_file() == tmp_path / "mine" / "settings.toml"


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_platform_says_where(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("USASSIST_HOME")
    else:
        monkeypatch.setenv("USASSIST_HOME", value)
    assert paths.user_home().is_absolute()
    assert paths.user_home().name == "usassist"


def test_asking_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USASSIST_HOME", str(tmp_path / "mine"))
    paths.user_models()
    assert not (tmp_path / "mine").exists()
