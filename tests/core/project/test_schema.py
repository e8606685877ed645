"""What is written reads back as the same value, and nothing else is believed."""

import base64
import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from usassist.core.domain import Annotation, Label, Mask, Project, Reader, Region, SourceEntry
from usassist.core.errors import ProjectError
from usassist.core.project import migrate, schema
from usassist.core.project.png import encode_png

DATA = Path(__file__).parent / "data"
SHAPE = (24, 31)
words = st.text(max_size=60)
masks = hnp.arrays(np.bool_, SHAPE, fill=st.just(False)).map(Mask.from_array)
regions = st.builds(
    Region,
    id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    label_id=st.sampled_from(["lesion", "structure"]),
    mask=masks,
    origin=st.sampled_from(["human", "engine"]),
    edited=st.booleans(),
    attributes=st.lists(st.tuples(words, words), max_size=3).map(tuple),
)
annotations = st.builds(
    Annotation,
    frame_key=st.from_regex(r"[a-z0-9_-]{1,40}-[0-9a-f]{8}_[0-9]{5}", fullmatch=True),
    reader_id=st.from_regex(r"rd[a-z0-9_-]{0,20}", fullmatch=True),
    shape=st.just(SHAPE),
    regions=st.lists(regions, max_size=3, unique_by=lambda region: region.id).map(tuple),
    status=st.sampled_from(["untouched", "draft", "accepted", "unusable"]),
    flagged=st.booleans(),
    tags=st.lists(words, max_size=3).map(tuple),
    note=st.text(max_size=300),
)


@given(annotations)
@settings(max_examples=60)
def test_an_annotation_reads_back_as_it_was(annotation: Annotation) -> None:
    data = schema.encode_annotation(annotation)
    again = schema.decode_annotation(data, where="x")
    assert again == annotation
    assert schema.encode_annotation(again) == data
    assert schema.read_status(data, where="x") == annotation.status


@given(
    labels=st.lists(
        st.builds(Label, st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), words, st.just("#00aaFF"), words)
    ),
    names=st.lists(words),
    sources=st.lists(st.tuples(st.text("abc/äß李", min_size=1).map(lambda t: "f" + t), st.integers(0, 2**50))),
)
def test_a_project_reads_back_as_it_was(labels: list[Label], names: list[str], sources: list[tuple[str, int]]) -> None:
    root = Path("/somewhere/project")
    entries = {relative: SourceEntry(f"k-{n}", relative, size, None) for n, (relative, size) in enumerate(sources)}
    project = Project(
        root,
        Path("/somewhere/images"),
        tuple({label.id: label for label in labels}.values()),
        tuple(entries.values()),
        tuple(Reader(f"r{n}", name) for n, name in enumerate(names)),
        1,
    )
    assert schema.decode_project(schema.encode_project(project), root=root) == project


@pytest.mark.parametrize(
    ("images", "stored"),
    [
        ("/a/project/images", "images"),
        ("/a/images", "../images"),
        ("/a/project", "."),
        ("/a", ".."),
        ("/b/images", "/b/images"),
        ("/", "/"),
    ],
)
def test_images_root_is_relative_inside_and_beside(images: str, stored: str) -> None:
    project = Project(Path("/a/project"), Path(images), (), (), (), 1)
    data = schema.encode_project(project)
    assert json.loads(data)["images_root"] == stored
    assert schema.decode_project(data, root=Path("/a/project")).images_root == Path(images)
    if not stored.startswith("/"):
        moved = schema.decode_project(data, root=Path("/new/place"))
        assert moved.images_root == Path("/new") / Path(images).relative_to("/a").as_posix().replace("project", "place")


def test_odd_file_names_survive() -> None:
    entry = SourceEntry("k-1", "caf\udce9 \\ \u2028.png", 1, None)
    project = Project(Path("/p"), Path("/i"), (), (entry,), (), 1)
    assert schema.decode_project(schema.encode_project(project), root=Path("/p")).sources == (entry,)


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_name_that_looks_like_two_records_survives() -> None:
    sources = tuple(SourceEntry(f"k{n}", f"{n}}}, {{.png", n) for n in range(3))
    project = Project(Path("p").resolve(), Path("i").resolve(), (), sources, (), 1)
    data = schema.encode_project(project)
    assert schema.decode_project(data, root=project.root) == project
    assert data.count(b"\n") == schema.encode_project(replace(project, sources=())).count(b"\n") + len(sources) + 1


def document(annotation: Annotation) -> dict[str, Any]:
    return json.loads(schema.encode_annotation(annotation))  # type: ignore[no-any-return]


def refused(changed: object, match: str) -> None:
    with pytest.raises(ProjectError, match=match) as caught:
        schema.decode_annotation(json.dumps(changed).encode(), where="a.json")
    assert "a.json" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (["surprise"], 1, "unknown fields: 'surprise'"),
        (["regions", 0, "surprise"], 1, "unknown fields"),
        (["regions", 0, "mask", "surprise"], 1, "unknown fields"),
        (["schema_version"], 99, "newer usassist"),
        (["schema_version"], 0, "schema_version"),
        (["schema_version"], True, "schema_version"),
        (["frame_key"], "../../../etc/passwd", "key"),
        (["frame_key"], "UPPER_00000", "key"),
        (["reader"], "..", "reader"),
        (["reader"], "con", "reserved"),
        (["shape"], [40], "shape"),
        (["shape"], [40, 60, 3], "shape"),
        (["shape"], [40.0, 60], "shape"),
        (["shape"], [65536, 65536], "shape"),
        (["shape"], [10, 10], "unusable"),
        (["status"], "done", "status"),
        (["flagged"], 1, "flagged"),
        (["tags"], "abc", "tags"),
        (["tags"], [1], "tag"),
        (["note"], None, "note"),
        (["note"], "x" * 100_001, "note"),
        (["regions"], {}, "regions"),
        (["regions", 1, "id"], "r1", "region id 'r1' occurs twice"),
        (["regions", 0, "id"], "a/b", "'id'"),
        (["regions", 0, "origin"], "robot", "origin"),
        (["regions", 0, "attributes"], [["a"]], "attribute"),
        (["regions", 0, "mask"], None, "mask"),
        (["regions", 0, "mask", "row"], -1, "'row'"),
        (["regions", 0, "mask", "row"], 39, "fit"),
        (["regions", 0, "mask", "col"], 59, "fit"),
        (["regions", 0, "mask", "png"], "no base64!", "unusable"),
        (["regions", 0, "mask", "png"], "é", "unusable"),
        (["regions", 0, "mask", "png"], base64.b64encode(b"GIF89a").decode(), "no PNG"),
    ],
)
def test_a_wrong_field_is_refused(annotation: Annotation, path: list[Any], value: object, match: str) -> None:
    changed = document(annotation)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    refused(changed, match)


@pytest.mark.parametrize(
    "name", ["schema_version", "frame_key", "reader", "shape", "status", "flagged", "tags", "note", "regions"]
)
def test_a_missing_field_is_refused(annotation: Annotation, name: str) -> None:
    changed = document(annotation)
    del changed[name]
    refused(changed, name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"schema_version": 1, "schema_version": 1}',
        b'{"schema_version": NaN}',
        b"9" * 10_000,
    ],
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    for decode in (schema.decode_annotation, schema.read_status):
        with pytest.raises(ProjectError, match="cannot be read"):
            decode(data, where="x")
    with pytest.raises(ProjectError, match=r"project\.json cannot be read"):
        schema.decode_project(data, root=Path("/p"))


def test_many_full_size_regions_cannot_fill_the_memory(annotation: Annotation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_MAX_DECODED_PIXELS", 40 * 60 * 3)
    changed = document(replace(annotation, regions=()))
    mask = {"row": 0, "col": 0, "png": base64.b64encode(encode_png(np.ones((40, 60), np.bool_))).decode()}
    region = {"label": "lesion", "origin": "human", "edited": False, "attributes": [], "mask": mask}
    changed["regions"] = [{"id": f"r{n}", **region} for n in range(3)]
    assert len(schema.decode_annotation(json.dumps(changed).encode(), where="x").regions) == 3
    changed["regions"].append({"id": "r9", **region})
    refused(changed, "more than any")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        (["sources", 0, "key"], "../x", "no file name"),
        (["sources", 0, "relative"], "../x.png", "leaves the images folder"),
        (["sources", 0, "relative"], "a/../../x.png", "leaves the images folder"),
        (["sources", 0, "relative"], "/etc/passwd", "leaves the images folder"),
        (["sources", 0, "relative"], "", "leaves the images folder"),
        (["sources", 0, "sha256"], "abc", "sha256"),
        (["sources", 0, "size"], -1, "size"),
        (["sources", 1, "key"], "k-1", "source key 'k-1' occurs twice"),
        (["sources", 1, "relative"], "a.png", "source path 'a.png' occurs twice"),
        (["labels", 0, "colour"], "red", "#rrggbb"),
        (["labels", 0, "id"], "../x", "label's id"),
        (["readers", 0, "id"], "../x", "reader"),
        (["surprise"], 1, "unknown"),
        (["schema_version"], 2, "newer usassist"),
        (["images_root"], 3, "images_root"),
    ],
)
def test_a_wrong_project_is_refused(path: list[Any], value: object, match: str) -> None:
    project = Project(
        Path("/p"),
        Path("/i"),
        (Label("lesion", "Lesion", "#000000"),),
        (SourceEntry("k-1", "a.png", 1), SourceEntry("k-2", "b.png", 2)),
        (Reader("ann", "Ann"),),
        1,
    )
    changed = json.loads(schema.encode_project(project))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ProjectError, match=match):
        schema.decode_project(json.dumps(changed).encode(), root=Path("/p"))


# --- the past and the future -----------------------------------------------------------------------------------------


def test_the_frozen_annotation_of_schema_1_reads_as_ever() -> None:
    found = schema.decode_annotation((DATA / "annotation_schema_1.json").read_bytes(), where="frozen")
    ring = np.zeros((12, 16), dtype=np.bool_)
    ring[2:9, 3:11] = True
    ring[4:6, 5:8] = False
    ring[11, 15] = True
    assert found == Annotation(
        "thyroid-0a1b2c3d_00007",
        "dr-lee",
        (12, 16),
        (
            Region("r1", "lesion", Mask.from_array(ring), "engine", True, (("birads", "4a"),)),
            Region("r2", "structure", Mask.empty((12, 16))),
        ),
        "accepted",
        True,
        ("second look",),
        "Schallschatten – 回声",
    )


def test_the_frozen_project_of_schema_1_reads_as_ever() -> None:
    found = schema.decode_project((DATA / "project_schema_1.json").read_bytes(), root=Path("/p/study"))
    assert found == Project(
        Path("/p/study"),
        Path("/p/images"),
        (Label("lesion", "Lesion", "#E69F00", "breast lesion"),),
        (
            SourceEntry("thyroid-0a1b2c3d", "left/thyroid.dcm", 4711, "0" * 64),
            SourceEntry("b-11223344", "ü/b.png", 12, None),
        ),
        (Reader("dr-lee", "Dr. 李"),),
        1,
    )


def test_past_versions_are_taken_step_by_step() -> None:
    steps: dict[tuple[migrate.Kind, int], migrate.Step] = {
        ("annotation", 1): lambda document: {**document, "b": document["a"]},
        ("annotation", 3): lambda document: {**document, "c": document["b"]},
        ("project", 2): lambda document: {},
    }
    original = {"schema_version": 1, "a": 5}
    kept = copy.deepcopy(original)
    found = migrate.upgrade(original, kind="annotation", where="x", version=4, steps=steps)
    assert found == {"a": 5, "b": 5, "c": 5}
    assert original == kept


def test_newer_versions_say_what_to_do() -> None:
    with pytest.raises(migrate.NewerSchemaError, match="Update usassist to open it; nothing was changed"):
        migrate.upgrade({"schema_version": 2}, kind="project", where="x", version=1)
