import json
from dataclasses import replace
from pathlib import Path

import pytest

from usassist.core.captions.pairs import Pair
from usassist.core.captions.refine import Draft, Refined
from usassist.core.captions.review import Entry, Review, read_entries, write_entries
from usassist.core.errors import ExchangeError, ModelError


def _pair(name: str, caption: str = "a mass of 12 mm", line: int = 1) -> Pair:
    return Pair(Path(name), caption, "", line, name=name, text=caption)


class Fixed:
    """A refiner whose drafts are given, and which counts what it is asked."""

    def __init__(self, *drafts: Draft | Exception, name: str = "fixed") -> None:
        self.name = name
        self.asked: list[str] = []
        self._drafts = drafts

    def drafts(self, captions):
        for caption, draft in zip(captions, self._drafts, strict=False):
            self.asked.append(caption)
            if isinstance(draft, Exception):
                raise draft
            yield draft


def _run(path: Path, refiner: Fixed, *pairs: Pair) -> Review:
    review = Review(path, refiner, read_entries(path))
    review.run(pairs, step=lambda: None)
    return review


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_N8_raw_becomes_refined_and_a_second_run_keeps_it(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    _run(out, Fixed(Draft("Mass, 12 mm"), Draft("Mass, 21 mm")), _pair("a.png"), _pair("b.png", line=2))
    first, second = _lines(out)
    assert (first["refined"], first["problems"], first["refiner"]) == ("Mass, 12 mm", [], "fixed")
    assert second["refined"] == second["caption"]
    assert second["problems"] == ["lost number: 12 mm", "invented number: 21 mm"]
    again = Fixed()
    review = _run(out, again, _pair("a.png"), _pair("b.png", line=2))
    assert (review.kept, review.refined, again.asked) == (2, 0, [])
    assert _lines(out) == [first, second]
    assert [problem.line for problem in review.problems] == [2]


def test_N8_what_a_person_edited_is_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    _run(out, Fixed(Draft("Mass, 12 mm")), _pair("a.png"))
    (line,) = _lines(out)
    out.write_text(json.dumps(line | {"refined": "An oval mass of 12 mm"}))
    other = Fixed(name="another refiner")
    review = _run(out, other, _pair("a.png", "a changed caption"))
    (kept,) = _lines(out)
    assert (kept["refined"], kept["edited"], other.asked) == ("An oval mass of 12 mm", True, [])
    assert kept["problems"] == ["invented term: oval"]
    assert "another one now" in review.problems[0].reason


def test_a_line_marked_as_edited_is_kept_and_one_of_another_refiner_or_caption_is_not(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    _run(out, Fixed(Draft("Mass, 12 mm"), Draft("M 12 mm")), _pair("a.png"), _pair("b.png"))
    first, second = _lines(out)
    write_entries(out, [])
    out.write_text("\n".join(map(json.dumps, (first | {"edited": True}, second))))
    other = Fixed(Draft("The mass, 12 mm"), name="other")
    _run(out, other, _pair("a.png"), _pair("b.png"))
    assert [line["refined"] for line in _lines(out)] == ["Mass, 12 mm", "The mass, 12 mm"]
    same = Fixed(Draft("Cyst"), name="other")
    _run(out, same, _pair("b.png", "cyst"))
    assert {line["image"]: line["refined"] for line in _lines(out)} == {"a.png": "Mass, 12 mm", "b.png": "Cyst"}


def test_no_answer_is_asked_again_and_what_was_done_before_a_stop_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    pairs = [_pair(name, line=line) for line, name in enumerate(("a.png", "b.png", "c.png"), 1)]
    with pytest.raises(ModelError, match="gone"):
        _run(out, Fixed(Draft("", "timeout"), Draft("Mass, 12 mm"), ModelError("gone")), *pairs)
    assert [(line["image"], line["refiner"]) for line in _lines(out)] == [("a.png", ""), ("b.png", "fixed")]
    again = Fixed(Draft("Mass 12 mm"), Draft("Mass 12 mm"))
    _run(out, again, *pairs)
    assert len(again.asked) == 2
    assert [line["refined"] for line in _lines(out)] == ["Mass 12 mm", "Mass, 12 mm", "Mass 12 mm"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"image": "a.png"', "line 1 is not valid JSON"),
        ("[]", "no line of refined captions"),
        ('{"image": ""}', "no line of refined captions"),
        ('{"image": "a.png"}\n{"image": "a.png"}', "line 2: the image 'a.png' is there twice"),
        ('{"image": "a.png", "refined": 3}', "no line of refined captions"),
    ],
)
def test_a_file_that_would_lose_edits_is_not_written_over(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text)
    with pytest.raises(ExchangeError, match=said):
        read_entries(path)


def _folders(path: Path) -> list[str | None]:
    return [line.get("image_folder") for line in _lines(path)]


def test_the_folder_of_a_kept_line_is_where_its_image_is_now(tmp_path: Path) -> None:
    """A list that was moved beside its images and refined again: the folder of then would win over the one of now."""
    images, out = tmp_path / "images", tmp_path / "lists" / "out.jsonl"
    for folder in (images, out.parent):
        folder.mkdir()
    (images / "a.png").touch()
    there = replace(_pair("a.png"), image=images / "a.png", folder=images)
    _run(out, Fixed(Draft("Mass, 12 mm")), there)
    assert _folders(out) == [str(images.resolve())]
    gone = _pair("a.png")  # a list that lies elsewhere than its images, so that nobody knows more than before
    assert _run(out, Fixed(), gone).kept == 1
    assert _folders(out) == [str(images.resolve())]
    moved = tmp_path / "out.jsonl"
    out.rename(moved)
    assert _run(moved, Fixed(), gone).kept == 1
    assert _folders(moved) == [None]
    (tmp_path / "deep").mkdir()
    moved = moved.rename(tmp_path / "deep" / "out.jsonl")
    _run(moved, Fixed(), there)
    assert _folders(moved) == [str(images.resolve())]


def test_a_name_that_no_file_can_have_is_refined_like_any_other(tmp_path: Path) -> None:
    long = _pair(f"{'a' * 300}.png")
    long = replace(long, image=tmp_path / long.name, folder=tmp_path / "elsewhere")
    for drafts in ([Draft("Mass, 12 mm")], []):
        _run(tmp_path / "out.jsonl", Fixed(*drafts), long)
    assert _folders(tmp_path / "out.jsonl") == [None]


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    entry = Entry.of(
        _pair("\u00e4.png", "Zyste \u2265 3 mm\u2028x"), Refined("Zyste"), "rules-1", path=tmp_path / "x.jsonl"
    )
    write_entries(tmp_path / "x.jsonl", [entry])
    assert read_entries(tmp_path / "x.jsonl") == {"\u00e4.png": entry}
