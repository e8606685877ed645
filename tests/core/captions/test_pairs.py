import json
import time
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.captions.pairs import (
    LONGEST_CAPTION,
    Pair,
    Pairs,
    folders_outside,
    noted_folder,
    read_pairs,
    stripped,
)
from usassist.core.errors import TrainingError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "images" / name).touch()
    return tmp_path


def _jsonl(folder: Path, *lines: object) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def _reasons(pairs: Pairs) -> dict[int, str]:
    return {problem.line: problem.reason for problem in pairs.problems}


def _row(image: str, caption: str = "a cyst", refined: str = "Breast: cyst") -> dict[str, str]:
    return {"image": image, "caption": caption, "refined": refined}


def test_N7_every_bad_line_is_listed_with_its_number(folder: Path) -> None:
    path = _jsonl(
        folder,
        _row("a.png"),
        '{"image": "b.png", "caption": ',
        _row("gone.png"),
        "",
        _row("../pairs.jsonl"),
        _row("b.png", caption="  "),
        _row("c.png", caption="x" * (LONGEST_CAPTION + 1)),
        _row("./a.png"),
        ["a list"],
        {"image": "b.png", "caption": 7},
        {"caption": "without an image"},
        "[" * 100_000,
        _row("b.png"),
    )
    pairs = read_pairs(path)
    assert [(pair.name, pair.line) for pair in pairs.items] == [("a.png", 1), ("b.png", 13)]
    reasons = _reasons(pairs)
    assert list(reasons) == [2, 3, 5, 6, 7, 8, 9, 10, 11, 12]
    for line, said in {
        2: "JSON", 3: "no image 'gone.png'", 5: "leads out", 6: "empty", 7: "characters", 8: "on line 1",
        9: "JSON object", 10: "not a text", 11: "names no image", 12: "JSON",
    }.items():  # fmt: skip
        assert said in reasons[line]


def test_N7_the_switch_changes_what_is_trained_on(folder: Path) -> None:
    path = _jsonl(folder, _row("a.png"), _row("b.png", refined=""), {"image": "c.png", "refined": "Only refined"})
    raw, refined = read_pairs(path), read_pairs(path, text="refined")
    assert [pair.text for pair in raw.items] == ["a cyst", "a cyst"]
    assert [pair.text for pair in refined.items] == ["Breast: cyst", "Only refined"]
    assert list(_reasons(raw)) == [3]
    assert list(_reasons(refined)) == [2]


def test_csv_takes_any_case_a_byte_order_mark_and_line_breaks_in_quotes(folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_bytes('\ufeffFILENAME,CAPTION,other\r\na.png,"two\r\nlines",1\r\nb.png,caf\u00e9,2\r\n'.encode())
    pairs = read_pairs(path)
    assert [(pair.name, pair.line, pair.text) for pair in pairs.items] == [
        ("a.png", 2, "two lines"),
        ("b.png", 4, "caf\u00e9"),
    ]
    assert pairs.items[0].image == folder / "images" / "a.png"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_spreadsheets_in_other_countries(folder: Path, delimiter: str) -> None:
    path = folder / "pairs.csv"
    path.write_text(f"filename{delimiter}Caption\na.png{delimiter}a cyst\n")
    assert [pair.text for pair in read_pairs(path).items] == ["a cyst"]


def test_N7_bad_rows_of_csv_are_listed_and_the_rest_is_read(folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_bytes(
        b"filename,Caption\n"
        b'a.png,"closed"x\n'
        b"b.png,an oval, circumscribed mass\n"
        b"b.png,caf\xe9\n" + b"b.png," + b"y" * (2**20 + 5) + b"\n"
        b"\n"
        b"c.png,a cyst\n"
        b'a.png,"never closed\nb.png,swallowed\n'
    )
    pairs = read_pairs(path)
    assert [(pair.name, pair.line) for pair in pairs.items] == [("c.png", 7)]
    reasons = _reasons(pairs)
    assert list(reasons) == [2, 3, 4, 5, 8]
    assert "quotes" in reasons[2]
    assert "3 cells" in reasons[3]
    assert "UTF-8" in reasons[4]
    assert "1 MiB" in reasons[5]
    assert "up to line 9" in reasons[8]


def test_images_never_come_from_outside_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.png").touch()
    images = folder / "images"
    (images / "link.png").symlink_to(outside / "secret.png")
    (images / "linked").symlink_to(outside)
    (images / "near.png").symlink_to(images / "a.png")
    (images / "loop.png").symlink_to(images / "loop.png")
    (images / "folder.png").mkdir()
    bad = ["link.png", "linked/secret.png", str(outside / "secret.png"), "C:\\a.png", "x\\..\\..\\a.png", "\0.png"]
    path = _jsonl(folder, *map(_row, [*bad, "loop.png", "folder.png", "near.png"]))
    pairs = read_pairs(path)
    assert [pair.name for pair in pairs.items] == ["near.png"]
    assert len(pairs.problems) == 8


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("\\\\server\\share", "on another machine"),
        ("//server/share/images", "on another machine"),
        ("\\\\?\\UNC\\server\\share", "on another machine"),
        ("/\\server/share", "on another machine"),
        ("C:images", "the drive or its root"),
        ("c:", "the drive or its root"),
        ("\\images", "the drive or its root"),
    ],
)
def test_a_line_names_no_folder_on_another_machine_or_on_whatever_drive(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str, said: str
) -> None:
    """Merely looking at a share signs in there, so it is refused before anybody looks."""
    looked: list[Path] = []
    is_dir = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda self: looked.append(self) or is_dir(self))
    path = _jsonl(folder, _row("a.png") | {"image_folder": named})
    for look in (True, False):
        (problem,) = read_pairs(path, look=look).problems
        assert said in problem.reason and "image_folder" in problem.reason
    assert not [at for at in looked if at not in (folder / "images",)]
    assert not read_pairs(path, images=folder / "images").problems  # whoever says where the images are is believed


def test_a_folder_that_no_line_may_name_is_not_written_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pair = Pair(folder / "images" / "a.png", "x", "", 1, name="a.png", folder=folder / "images")
    other = tmp_path / "elsewhere" / "list.jsonl"
    assert noted_folder(pair, other) == str(folder / "images")
    monkeypatch.setattr(Path, "resolve", lambda self: PureWindowsPath("\\\\server\\share") / self.name)
    assert noted_folder(pair, other) == ""


def test_folders_outside_the_lists_own_are_counted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    for name in ("x.png", "y.png"):
        (outside / name).touch()
    near = [_row("a.png"), _row("b.png") | {"image_folder": "images"}]
    far = [_row(name) | {"image_folder": str(outside)} for name in ("x.png", "y.png")]
    path = _jsonl(folder, *near, *far, _row("gone.png") | {"image_folder": str(outside)})
    assert folders_outside(read_pairs(path), path) == {outside: 2}


def test_names_in_messages_cannot_steer_a_terminal(folder: Path) -> None:
    (problem,) = read_pairs(_jsonl(folder, _row("\x1b[2Jevil\n.png"))).problems
    assert problem.reason.isprintable()


def test_the_publications_cleaning_is_an_option(folder: Path) -> None:
    path = folder / "pairs.csv"
    path.write_text(
        "filename,Caption\n"
        "a.png,\u2603\ufffd\x07 A mass of 12 \u00d7 8 mm \u00b1 1 \u00b5m at 3\u00b0\n"
        "b.png,exactly twenty chars\n",
        encoding="utf-8",
    )
    assert len(read_pairs(path).items) == 2
    cleaned = read_pairs(path, clean=True)
    assert [pair.text for pair in cleaned.items] == ["A mass of 12 \u00d7 8 mm \u00b1 1 \u00b5m at 3\u00b0"]
    assert "expected more than 20" in _reasons(cleaned)[3]


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert stripped(stripped(text)) == stripped(text)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"one,two\na,b\n", "columns filename and Caption"),
        ("x.csv", b"", "columns filename and Caption"),
        ("x.jsonl", "{}".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainingError, match=said):
        read_pairs(tmp_path / name)


def test_what_is_not_there_is_refused_with_a_sentence(folder: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        read_pairs(folder / "none.jsonl", look=False)
    path = _jsonl(folder, _row("a.png"))
    with pytest.raises(TrainingError, match="no folder of images"):
        read_pairs(path, images=folder / "none")
    table = folder / "x.csv"
    table.write_text("filename,Caption\na.png,x\n")
    with pytest.raises(TrainingError, match="no column 'refined'"):
        read_pairs(table, text="refined")


def test_images_need_not_be_there_where_only_the_words_count(tmp_path: Path) -> None:
    assert [pair.name for pair in read_pairs(_jsonl(tmp_path, _row("a.png")), look=False).items] == ["a.png"]


@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".csv"]))
def test_bytes_of_any_kind_are_pairs_problems_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"x{suffix}"
    path.write_bytes(data if suffix == ".jsonl" else b"filename,Caption\n" + data)
    try:
        pairs = read_pairs(path, look=False)
    except TrainingError:
        return
    assert all(pair.text and pair.name for pair in pairs.items)


def test_a_long_list_takes_seconds(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    path = _jsonl(tmp_path, *[_row("a.png" if i % 2 else f"{i}.png", f"a cyst of {i} mm") for i in range(20_000)])
    start = time.process_time()
    pairs = read_pairs(path)
    assert time.process_time() - start < 5
    assert len(pairs.items) + len(pairs.problems) == 20_000


@pytest.mark.data
@pytest.mark.parametrize(("dataset", "number"), [("breast", 207), ("busi", 708)])
def test_labels_csv_of_a_dataset_is_a_list_of_captions(data_root: Path, dataset: str, number: int) -> None:
    pairs = read_pairs(data_root / dataset / "labels.csv")
    assert (len(pairs.items), pairs.problems) == (number, ())
