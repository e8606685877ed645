from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.paths import settings_file
from usassist.gui.settings import Settings, Wording, changed, load, save


def test_what_is_not_written_is_the_default() -> None:
    assert load() == Settings()
    save(Settings())
    assert settings_file().read_text("utf-8") == ""
    assert load() == Settings()


def test_only_what_differs_is_written() -> None:
    save(Settings(theme="light", brush_radius=3.5, auto_propose=False))
    assert settings_file().read_text("utf-8") == 'theme = "light"\nauto_propose = false\nbrush_radius = 3.5\n'
    assert load() == Settings(theme="light", brush_radius=3.5, auto_propose=False)
    assert [path.name for path in settings_file().parent.iterdir()] == ["settings.toml"]


@given(
    reader=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    opacity=st.integers(0, 100),
    radius=st.floats(0.5, 500),
)
def test_reading_after_writing_is_identity(
    tmp_path_factory: pytest.TempPathFactory, reader: str, opacity: int, radius: float
) -> None:
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    settings = Settings(reader=reader, last_folder=reader, opacity=opacity, brush_radius=radius)
    save(settings, file)
    assert load(file) == settings


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(words, st.dictionaries(words, st.lists(words, max_size=3), max_size=3), max_size=3), words)
def test_N11_prompts_come_back_as_they_were_worded(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, dict[str, list[str]]], reader: str
) -> None:
    wordings = tuple(
        Wording(question, tuple((name, tuple(prompts)) for name, prompts in classes.items()))
        for question, classes in found.items()
    )
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    settings = Settings(question=reader or "own", wordings=wordings, last_folder=reader)
    save(settings, file)
    assert load(file) == settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("opacity = 1.5", "opacity is a int"),
        ("opacity = true", "opacity is a int"),
        ("opacity = 101", "0 to 100"),
        ('theme = "pink"', "dark or light"),
        ('device = "tpu"', "auto, cpu or cuda"),
        ("theme = ", "cannot be read"),
        ('wordings = "all"', "a table for each question"),
        ("wordings.breast = 1", "a table for each question"),
        ("[wordings.breast]\nbenign = 'oval'", "wordings.breast.benign is a list"),
        ("[wordings.breast]\nbenign = [1]", "wordings.breast.benign is a list"),
        (f"[wordings.breast]\nbenign = ['{'x' * 2001}']", "at most 2000 characters"),
    ],
)
def test_a_file_that_is_not_ours_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsassistError, match=sentence):
        load(file)


def test_a_whole_number_is_a_radius_too(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("brush_radius = 12", "utf-8")
    assert load(file).brush_radius == 12.0


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsassistError, match="cannot be written"):
        save(Settings(theme="light"), tmp_path / "file" / "settings.toml")


def test_the_reader_is_the_account_unless_named() -> None:
    assert Settings(reader=" Ann ").reader_name == "Ann"
    assert Settings().reader_name
    assert changed(Settings()) == {}
