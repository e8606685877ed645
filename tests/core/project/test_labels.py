"""Which label stands for a class that a model names: never one by guess, and a new one has an id of its own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Label, Project, Reader
from usassist.core.project import store
from usassist.core.project.labels import label_for, label_of_class, new_id

LESION = Label("lesion", "Mass", "#E69F00", "breast lesion")
CYST = Label("l2", "Simple_Cyst", "#56B4E9", "lesion")
LABELS = (LESION, CYST)


@given(st.text(max_size=80), st.sets(st.sampled_from(["label", "a", "a-2"])))
def test_ids_are_always_allowed_and_new(name: str, taken: set[str]) -> None:
    found = new_id(name, taken)
    assert found not in taken
    Label(found, name, "#000000")


def test_an_id_of_letters_that_tell_nothing_ends_in_a_hash_of_the_name() -> None:
    assert new_id("Left kidney", {"left"}) == new_id("left  KIDNEY", ()) == "left-kidney"
    names = ("病 kidney", "肝 kidney", "kidney " * 9, "kidney " * 10, "病", "肝")
    assert len({new_id(name, ()) for name in names} - {"kidney", "label"}) == len(names)
    taken = new_id("病", ())
    assert new_id("kidney", {"kidney"}) == new_id("kidney", {"kidney", "kidney-2"}) != "kidney"
    assert new_id("病", {taken}) == f"{taken}-2"
    assert new_id("\udcff", ()).startswith("label-")


@pytest.mark.parametrize(
    ("class_name", "found"),
    [
        ("lesion", LESION),  # the id comes before another label's caption
        ("mass", LESION),
        ("Breast_Lesion", LESION),
        ("simple  cyst", CYST),
        ("SIMPLE_CYST", CYST),
        ("cyst", None),
        ("Lesion", CYST),  # an id is exact; the caption is folded
        ("", None),
        (" _ ", None),
    ],
)
def test_a_class_is_found_by_id_then_name_then_caption(class_name: str, found: Label | None) -> None:
    assert label_for(class_name, LABELS) is found


def test_a_caption_of_two_labels_decides_nothing() -> None:
    twins = (LESION, replace(CYST, caption="Breast lesion"))
    assert label_for("breast_lesion", twins) is None
    assert label_for("breast_lesion", (*twins, Label("b", "breast lesion", "#000000"))).id == "b"


@given(st.text(max_size=70))
def test_a_new_label_stands_for_its_class_whatever_it_is_called_later(class_name: str) -> None:
    if label_for(class_name, LABELS) is not None:
        return
    made = label_of_class(class_name, LABELS, taken={"benign"})
    assert made.id not in {"lesion", "l2", "benign"}
    assert made.name
    assert label_for(class_name, (*LABELS, made)) is made
    renamed = replace(made, name="Another name")
    assert label_for(class_name, (*LABELS, renamed)) is renamed


def test_labels_are_dropped_unless_changed_or_maybe_used_by_another_reader(project: Project) -> None:
    mine, edited = Label("a", "A", "#000001"), Label("b", "B", "#000002")
    before = project.labels
    project = store.save_project(replace(project, labels=(*before, mine, replace(edited, name="Theirs"))))
    left = store.drop_labels(project, [mine, edited]).labels
    assert [label.id for label in left] == [*(label.id for label in before), "b"]
    assert store.open_project(project.root).labels == left
    assert store.drop_labels(project, left).labels == left  # a project keeps at least one

    project = store.save_project(replace(project, labels=(*left, mine)))
    store.add_reader(project, Reader("bob", "Bob"))
    store.add_reader(project, Reader("cat", "Cat"))
    assert mine in store.drop_labels(project, [mine]).labels
