"""A key means one file for ever: masks never reach another picture, and follow their own where it goes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Annotation, Project, Source
from usassist.core.errors import ProjectError
from usassist.core.project import store
from usassist.core.project.sources import changed_sources, keyed_sources, missing_sources, with_sources


def source(
    project: Project, relative: str, content: str | None = None, *, key: str = "", hashed: bool = False
) -> Source:
    """Return a source under the project's images; with content, written there."""
    path = project.images_root / relative
    data = (content or "").encode()
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    digest = hashlib.sha1(relative.encode(), usedforsecurity=False).hexdigest()[:8]
    sha256 = hashlib.sha256(data).hexdigest() if hashed else None
    return Source(key or f"x-{digest}", path, relative, len(data), sha256=sha256)


def keys(project: Project) -> dict[str, str]:
    return {entry.relative: entry.key for entry in project.sources}


def test_sources_merge_and_keep_their_keys(project: Project) -> None:
    first = source(project, "a.png", "a")
    project = store.register_sources(project, [first])
    project = store.register_sources(project, [replace(first, key="other"), source(project, "b.png", "b")])
    assert keys(project)["a.png"] == first.key
    assert set(keys(project)) == {"a.png", "b.png"}
    assert store.open_project(project.root) == project
    assert store.register_sources(project, []) == project


def test_the_hash_is_filled_in_later(project: Project) -> None:
    project = store.register_sources(project, [source(project, "a.png", "a")])
    assert project.sources[0].sha256 is None
    hashed = source(project, "a.png", "a", hashed=True)
    project = store.register_sources(project, [hashed])
    assert project.sources[0].sha256 == hashed.sha256
    project = store.register_sources(project, [replace(hashed, sha256=None)])
    assert project.sources[0].sha256 == hashed.sha256
    assert keyed_sources(project, [replace(hashed, sha256=None)])[0].sha256 == hashed.sha256


def test_two_files_never_share_a_key(project: Project) -> None:
    project = store.register_sources(project, [source(project, f"{n}.png", str(n), key="same") for n in range(4)])
    assert sorted(keys(project).values()) == ["same", "same-2", "same-3", "same-4"]
    again = keyed_sources(project, [source(project, "2.png", key="same"), source(project, "new.png", key="new")])
    assert [found.key for found in again] == ["same-3", "new"]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("kl")), max_size=6), max_size=4))
def test_keys_are_unique_and_never_change(rounds: list[list[tuple[str, str]]]) -> None:
    project = Project(Path("/p"), Path("/images"), (), (), (), 1)
    known: dict[str, str] = {}
    for names in rounds:
        given_sources = [Source(key, Path("/images") / name, name, 1) for name, key in names]
        project = replace(project, sources=with_sources(project, given_sources, is_annotated=lambda _: False))
        now = keys(project)
        assert len(set(now.values())) == len(now)
        assert known.items() <= now.items()
        known = now


def test_one_name_for_two_files_is_refused(project: Project, tmp_path: Path) -> None:
    mine = source(project, "a.png", "mine")
    other = tmp_path / "elsewhere" / "a.png"
    other.parent.mkdir()
    other.write_text("theirs")
    with pytest.raises(ProjectError, match="two files of one name"):
        store.register_sources(project, [mine, replace(mine, path=other)])
    project = store.register_sources(project, [mine])
    with pytest.raises(ProjectError, match="two files of one name"):
        store.register_sources(project, [replace(mine, path=other)])
    with pytest.raises(ProjectError, match="leaves the images folder"):
        store.register_sources(project, [replace(mine, relative="../a.png")])


def test_a_changed_file_is_reported_while_it_has_annotations(project: Project) -> None:
    old = source(project, "a.png", "old", hashed=True)
    project = store.register_sources(project, [old])
    store.save_annotation(project, Annotation(f"{old.key}_00000", "ann", (4, 4)))
    new = source(project, "a.png", "new!", hashed=True)
    assert [entry.key for entry in changed_sources(project, [new])] == [old.key]
    project = store.register_sources(project, [new])
    assert project.sources[0].sha256 == old.sha256
    same_size = source(project, "a.png", "odl", hashed=True)
    assert changed_sources(project, [same_size])
    assert not changed_sources(project, [old])


def test_a_changed_file_without_annotations_is_taken_as_it_is(project: Project) -> None:
    project = store.register_sources(project, [source(project, "a.png", "old", hashed=True)])
    new = source(project, "a.png", "new!", hashed=True)
    project = store.register_sources(project, [new])
    assert (project.sources[0].size, project.sources[0].sha256) == (4, new.sha256)


def test_a_renamed_file_is_known_by_its_hash(project: Project) -> None:
    old = source(project, "a.png", "picture", hashed=True)
    project = store.register_sources(project, [old])
    old.path.rename(project.images_root / "b.png")
    renamed = source(project, "b.png", "picture", hashed=True)
    project = store.register_sources(project, [renamed])
    assert keys(project) == {"b.png": old.key}
    assert keyed_sources(project, [renamed])[0].key == old.key


def test_a_copy_is_another_file(project: Project) -> None:
    old = source(project, "a.png", "picture", hashed=True)
    project = store.register_sources(project, [old])
    project = store.register_sources(project, [source(project, "b.png", "picture", hashed=True)])
    assert len(set(keys(project).values())) == 2


def test_images_that_moved_are_found_by_path(project: Project, tmp_path: Path) -> None:
    given_sources = [source(project, "a/1.png", "one"), source(project, "2.png", "two", hashed=True)]
    project = store.register_sources(project, given_sources)
    project.images_root.rename(tmp_path / "moved")
    assert len(missing_sources(project)) == 2
    found = store.relink(project, tmp_path / "moved")
    assert found.sources == project.sources
    assert missing_sources(found) == ()
    assert store.open_project(project.root) == found


def test_images_that_were_sorted_anew_are_found_by_hash(project: Project, tmp_path: Path) -> None:
    one, two = (source(project, name, text, hashed=True) for name, text in (("1.png", "one"), ("2.png", "two")))
    lost = source(project, "3.png", "three")
    project = store.register_sources(project, [one, two, lost])
    moved = tmp_path / "moved" / "deep"
    moved.mkdir(parents=True)
    one.path.rename(moved / "2.png")  # under the other's name
    two.path.rename(moved.parent / "1.png")
    found = store.relink(project, tmp_path / "moved")
    assert keys(found) == {"deep/2.png": one.key, "1.png": two.key, "3.png": lost.key}
    assert [entry.key for entry in missing_sources(found)] == [lost.key]


def test_another_file_of_the_same_name_gets_no_masks(project: Project, tmp_path: Path) -> None:
    one = source(project, "1.png", "one", hashed=True)
    project = store.register_sources(project, [one, source(project, "2.png", "two")])
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "1.png").write_text("eno")
    (wrong / "2.png").write_text("longer")
    with pytest.raises(ProjectError, match="None of the project's 2 images"):
        store.relink(project, wrong)
    with pytest.raises(ProjectError, match="is no folder"):
        store.relink(project, wrong / "missing")
    assert store.open_project(project.root) == project
