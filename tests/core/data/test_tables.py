import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.data.tables import read_pairs, read_table, read_text, relative_name
from usassist.core.errors import TrainingError


@given(text=st.text(alphabet=st.sampled_from("ab./\\:~ \0"), max_size=12) | st.text(max_size=20))
def test_a_name_from_a_table_never_leaves_its_folder(text: str) -> None:
    root = Path("/data/images")
    try:
        name = relative_name(text, where="a list")
    except TrainingError as error:
        assert "a list names the file" in str(error)
        return
    assert (root / name).is_relative_to(root)
    assert name and ".." not in Path(name).parts and "\\" not in name and "\0" not in name


def test_names_inside_are_kept() -> None:
    assert relative_name("a.png", where="") == "a.png"
    assert relative_name("p1\\a b.png", where="") == relative_name("./p1/a b.png", where="") == "p1/a b.png"


def test_tables_are_read_with_their_lines(tmp_path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes('\ufefffile , class\r\n a.png ,"x,\n y" ,more\r\nb.png\r\n'.encode())
    columns, rows = read_table(table)
    assert columns == ("file", "class")
    assert [(row.line, row.cells) for row in rows] == [
        (3, {"file": "a.png", "class": "x,\n y"}),
        (4, {"file": "b.png", "class": ""}),
    ]
    table.write_text("a,1\n\n ,\nb\nc,3,4\n")
    assert list(read_pairs(table)) == [(1, "a", "1"), (4, "b", ""), (5, "c", "3")]


@pytest.mark.parametrize(
    ("data", "message"), [(b"\xff\xfe\x00", "not a CSV table in UTF-8"), (b"file\n" + b"x" * 200_000, "field larger")]
)
def test_what_is_no_table_is_a_sentence(tmp_path, data: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(TrainingError, match=message):
        read_table(tmp_path / "t.csv")


def test_a_file_that_is_not_there_or_far_too_large_is_a_sentence(tmp_path, monkeypatch) -> None:
    with pytest.raises(TrainingError, match=re.escape(f"{tmp_path / 'gone.csv'} cannot be read")):
        read_text(tmp_path / "gone.csv")
    monkeypatch.setattr("usassist.core.data.tables._MOST_BYTES", 10)
    (tmp_path / "t.csv").write_text("x" * 11)
    with pytest.raises(TrainingError, match="more than 10 bytes"):
        read_text(tmp_path / "t.csv")
