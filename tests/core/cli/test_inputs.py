"""INPUT becomes files, and results get names that never meet."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.cli.inputs import Input, find_inputs, plan_names
from usassist.core.domain import Source


def inputs(*relatives: str, given: str = "in") -> list[Input]:
    return [Input(Path(given), Source(name, Path(given) / name, name, 1)) for name in relatives]


@pytest.mark.parametrize(
    ("relatives", "names"),
    [
        (["a.png"], ["a"]),
        (["sub/a.dcm", "a.dcm"], ["sub/a", "a"]),
        (["a.dcm", "a.png"], ["a.dcm", "a.png"]),
        (["a.dcm", "A.png"], ["a.dcm", "A.png"]),
        (["vol.nii.gz", "b.png"], ["vol", "b"]),
        (["IM0001", "IM0002"], ["IM0001", "IM0002"]),
        (["1.2.840.113", "1.2.840.114"], ["1.2.840.113", "1.2.840.114"]),
        # A still that is named like a frame of the cine beside it.
        (["clip.dcm", "clip_0000.png"], ["clip.dcm", "clip_0000.png"]),
        # A numbered series of stills is no clash, also not beside a still without a number.
        (["f.png", "f_0001.png", "f_0002.png"], ["f", "f_0001", "f_0002"]),
    ],
)
def test_a_result_is_named_after_its_file_and_a_clash_keeps_the_suffix(relatives: list[str], names: list[str]) -> None:
    assert plan_names(inputs(*relatives)) == names


def test_two_inputs_with_the_same_relative_path_are_told_apart_by_their_folders() -> None:
    both = [*inputs("a.png", given="left"), *inputs("a.png", given="right"), *inputs("b.png", given="right")]
    for item in both:
        assert not item.given.exists()
    names = plan_names(both)
    assert len(set(names)) == 3
    assert names[2] == "b"


NAMES = st.from_regex(r"(s/)?[abAB](_000[01])?(\.(png|dcm|tif))?", fullmatch=True)


@given(st.lists(st.tuples(st.sampled_from(["in", "other"]), NAMES), unique=True, max_size=12))
def test_no_two_results_ever_meet(files: list[tuple[str, str]]) -> None:
    """Also not as frames of a cine, whatever the files are called, on a file system that ignores case too."""
    made = [item for given_name, name in files for item in inputs(name, given=given_name)]
    names = plan_names(made)
    written: set[str] = set()
    for item, name in zip(made, names, strict=True):
        still = item.source.relative.endswith(".png")
        mine = {name} if still else {name, f"{name}_0000", f"{name}_0001"}
        assert not written & {one.casefold() for one in mine}
        written |= {one.casefold() for one in mine}


def test_a_folder_gives_its_files_and_what_is_not_there_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("b10.png", "b9.png", "sub/c.dcm", "note.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    found, failed = find_inputs([tmp_path / "in", tmp_path / "empty", tmp_path / "nowhere"])
    assert [item.source.relative for item in found] == ["b9.png", "b10.png", "sub/c.dcm"]
    assert [Path(name).name for name, _ in failed] == ["empty", "nowhere"]
    assert "no image" in failed[0][1]
    assert "no file or folder" in failed[1][1]
