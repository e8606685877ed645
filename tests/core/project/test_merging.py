"""Two windows' knowledge of one project: nothing that either knows is lost, and keys stay where they are."""

from dataclasses import replace
from pathlib import Path

from usassist.core.domain import Label, Project, Reader, SourceEntry
from usassist.core.project.merging import union


def test_what_either_window_knows_is_kept_and_the_given_names_win(tmp_path: Path) -> None:
    old, new = Label("lesion", "Lesion", "#e69f00"), Label("lesion", "Mass", "#e69f00")
    mine, theirs = Label("mine", "Mine", "#56b4e9"), Label("theirs", "Theirs", "#009e73")
    here, there = SourceEntry("a-1", "a.png", 5, None), SourceEntry("b-2", "b.png", 7, "0" * 64)
    saved = Project(tmp_path, tmp_path / "moved", (old, theirs), (here,), (Reader("bob", "Bob"),), 1)
    hashed = replace(here, sha256="1" * 64)
    given = Project(tmp_path, tmp_path, (new, mine), (hashed, there), (Reader("ann", "Ann"),), 1)
    found = union(given, saved)
    assert found.labels == (new, mine, theirs)
    assert [reader.id for reader in found.readers] == ["ann", "bob"]
    assert found.sources == (here, there), "what is saved of a source stays"
    assert found.images_root == tmp_path / "moved"


def test_a_place_that_is_known_under_another_key_is_not_listed_twice(tmp_path: Path) -> None:
    saved = Project(tmp_path, tmp_path, (), (SourceEntry("a-1", "a.png", 5, None),), (), 1)
    given = replace(saved, sources=(SourceEntry("a-9", "a.png", 5, None),))
    assert union(given, saved).sources == saved.sources
