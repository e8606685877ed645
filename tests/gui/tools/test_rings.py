"""An outline with corners to drag stays, pixel by pixel, what it came from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from usassist.core.domain import Mask
from usassist.core.geometry.brush import stroke_mask
from usassist.core.geometry.raster import contours_of
from usassist.gui.tools.rings import mask_of_rings, rings_of

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))).map(Mask.from_array)


@given(MASKS)
def test_rings_enclose_exactly_the_mask_they_came_from(mask: Mask) -> None:
    assert mask_of_rings(rings_of(mask), mask.shape) == mask


@given(MASKS, st.data())
def test_putting_corners_in_changes_no_pixel(mask: Mask, data: st.DataObject) -> None:
    rings = rings_of(mask)
    for _ in range(3):
        for ring in rings:
            before = len(ring.vertices)
            index = ring.insert(data.draw(st.floats(-3, 16)), data.draw(st.floats(-3, 16)))
            assert len(ring.vertices) == before + 1
            assert 0 < index <= before
    assert mask_of_rings(rings, mask.shape) == mask


def blob() -> Mask:
    line = np.array([(40.0, 40.0), (90.0, 50.0), (100.0, 90.0), (50.0, 95.0), (40.0, 45.0)])
    return stroke_mask(line, 14.0, (150, 200))


def test_a_moved_corner_changes_only_the_pixels_beside_it() -> None:
    mask = blob()
    rings = rings_of(mask)
    ring = rings[0]
    index = int(np.argmax(ring.vertices[:, 0]))
    count = len(ring.vertices)
    near = np.array([ring.vertices[i % count] for i in (index - 1, index, index + 1)])
    moved = ring.vertices[index] + (12.0, 0.0)
    ring.move(index, *moved)
    changed = np.argwhere(mask_of_rings(rings, mask.shape).to_array() != mask.to_array())
    reach = np.vstack([near, moved])
    assert len(changed)
    # Between its neighbours the old outline may bulge by the tolerance of the corners.
    assert np.all(changed[:, ::-1] >= reach.min(axis=0) - 4.5)
    assert np.all(changed[:, ::-1] <= reach.max(axis=0) + 4.5)


def test_a_hole_has_a_ring_of_its_own_and_few_corners() -> None:
    rings = rings_of(blob())
    assert len(rings) == 2
    for ring, contour in zip(rings, contours_of(blob()), strict=True):
        assert len(ring.vertices) < len(contour.points) / 3


def test_taking_a_corner_out_joins_its_neighbours() -> None:
    mask = Mask.from_array(np.pad(np.ones((10, 20), dtype=np.bool_), 5))
    (ring,) = rings_of(mask)
    assert len(ring.vertices) == 4
    ring.remove(0)
    assert len(ring.outline) == 3
    left = mask_of_rings([ring], mask.shape)
    assert left.area == 100 or abs(left.area - 100) <= 15
