"""What sonographers and scanners draw into a picture, drawn at random: calipers, numbers, words, arrows, pictograms."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]
Bytes = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
Point = npt.NDArray[np.float64]

_FINE = 2
"""Drawn so many times as fine and made smaller, so that strokes get a scanner's soft edges and no steps."""
_ANYWHERE, _AT_THE_OBJECT = 0.4, 0.06
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-/"
_WORDS = (
    *("LT", "RT", "LEFT", "RIGHT", "BREAST", "AXILLA", "UOQ", "LOQ", "UIQ", "LIQ", "TRANS", "LONG", "SAG"),
    *("NODE", "CYST", "MASS", "HEAD", "BPD", "HC", "CCA", "ICA", "DIST", "12:00", "3.4 cm", "FR 28"),
)
_FONTS = ("FONT_HERSHEY_PLAIN", "FONT_HERSHEY_SIMPLEX", "FONT_HERSHEY_DUPLEX")


def draw_calipers(grey: Grey, *, rng: np.random.Generator, mask: Bytes | None = None) -> None:
    """Measure something in an HxW picture, in place: one or two distances, crosses at their ends.

    They lie anywhere, at the extremes of a random ellipse, or, seldom, at those of what `mask` (HxW) holds, where that
    is not empty: on the object they are about as frequent as elsewhere, so crosses say neither that something is there
    nor that nothing is.
    """
    pen = _Pen.random(grey.shape, rng)
    where = rng.random()
    if where < _ANYWHERE:
        pairs = [rng.uniform(0.1, 0.9, size=(2, 2)) * grey.shape[::-1] for _ in range(int(rng.integers(1, 3)))]
    else:
        own = mask is not None and where > 1 - _AT_THE_OBJECT and bool(mask.any())
        ellipse = _ellipse_of(mask) if own and mask is not None else _random_ellipse(grey.shape, rng)
        ellipse = ellipse.loosened(rng)
        pairs = ellipse.diameters()[: int(rng.integers(1, 3))]
        if rng.random() < 0.25:
            pen.dots(ellipse.outline())
    for number, ends in enumerate(pairs, start=1):
        pen.measure(ends, str(number))
    pen.press(grey)


def draw_text(grey: Grey, *, rng: np.random.Generator) -> None:
    """Write one to three lines into an HxW picture, in place, most of them at the top or the bottom.

    Sometimes with an arrow, and with the pictogram of a body part and the probe on it.
    """
    pen = _Pen.random(grey.shape, rng)
    cols, rows = grey.shape[::-1]
    for _ in range(int(rng.integers(1, 4))):
        edge = rng.uniform(0.04, 0.14) if rng.random() < 0.5 else rng.uniform(0.86, 0.99)
        row = edge if rng.random() < 0.8 else rng.uniform(0.1, 0.95)
        pen.write(_words(rng), np.array([rng.uniform(0, 0.75) * cols, row * rows]), float(rng.uniform(0.45, 1.0)))
    if rng.random() < 0.25:
        pen.arrow(rng.uniform(0.1, 0.9, size=2) * (cols, rows))
    if rng.random() < 0.25:
        corner = np.array([rng.choice([0.12, 0.88]) * cols, rng.choice([0.15, 0.85]) * rows])
        pen.pictogram(corner)
    pen.press(grey)


def _words(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return " ".join(str(word) for word in rng.choice(_WORDS, size=int(rng.integers(1, 4))))
    return "".join(_LETTERS[letter] for letter in rng.integers(len(_LETTERS), size=int(rng.integers(2, 12))))


@dataclass(frozen=True, slots=True)
class _Ellipse:
    """Centre, half axes as vectors, all (x, y): the first is the longer one."""

    centre: Point
    long: Point
    short: Point

    def loosened(self, rng: np.random.Generator) -> "_Ellipse":
        """Return it as a person would place the crosses: not quite at its ends."""
        long, short = (axis * rng.uniform(0.9, 1.12) for axis in (self.long, self.short))
        return _Ellipse(self.centre + rng.normal(0, 0.05, size=2) * np.hypot(*self.short), long, short)

    def diameters(self) -> list[Point]:
        return [np.stack([self.centre - axis, self.centre + axis]) for axis in (self.long, self.short)]

    def outline(self) -> Point:
        around = 2 * np.pi * (np.hypot(*self.long) + np.hypot(*self.short)) / 2
        angles = np.linspace(0, 2 * np.pi, max(8, round(around)))[:, None]
        return np.asarray(self.centre + np.cos(angles) * self.long + np.sin(angles) * self.short, dtype=np.float64)


def _random_ellipse(shape: tuple[int, ...], rng: np.random.Generator) -> _Ellipse:
    side, turn = min(shape), rng.uniform(-0.6, 0.6)
    long = side * rng.uniform(0.06, 0.35)
    short = long * rng.uniform(0.35, 1.0)
    centre = rng.uniform(0.15, 0.85, size=2) * shape[::-1]
    direction = np.array([np.cos(turn), np.sin(turn)])
    return _Ellipse(centre, long * direction, short * np.array([-direction[1], direction[0]]))


def _ellipse_of(mask: Bytes) -> _Ellipse:
    """Return the ellipse with the second moments of a mask that is not empty."""
    points = np.argwhere(mask)[:, ::-1].astype(np.float64)
    centre = points.mean(axis=0)
    values, vectors = np.linalg.eigh((points - centre).T @ (points - centre) / len(points))
    short, long = 2 * np.sqrt(np.maximum(values, 0.25))
    return _Ellipse(centre, long * vectors[:, 1], short * vectors[:, 0])


@dataclass(frozen=True, slots=True)
class _Pen:
    """A transparent sheet over a picture, and how this scanner draws on it; points are (x, y) of the picture."""

    sheet: Grey
    unit: float
    bright: int
    stroke: int
    arm: float
    tilted: bool
    spacing: float
    numbered: bool
    outlined: bool
    font: int

    @classmethod
    def random(cls, shape: tuple[int, ...], rng: np.random.Generator) -> "_Pen":
        unit = max(shape) / 256
        return cls(
            sheet=np.zeros((_FINE * shape[0], _FINE * shape[1]), dtype=np.uint8),
            unit=unit,
            bright=int(rng.integers(150, 256)),
            stroke=max(1, round(_FINE * unit * float(rng.uniform(0.45, 1.0)))),
            arm=unit * float(rng.uniform(2.2, 5.5)),
            tilted=bool(rng.random() < 0.3),
            # None, a solid line, or dots so far from each other.
            spacing=unit * float(rng.choice([0.0, 1.0, 2.0, 3.0, 5.0])),
            numbered=bool(rng.random() < 0.7),
            outlined=bool(rng.random() < 0.3),
            font=getattr(cv2, str(rng.choice(_FONTS))),
        )

    def measure(self, ends: Point, number: str) -> None:
        for end in ends:
            self._cross(end)
        if self.spacing > 0:
            length = float(np.hypot(*(ends[1] - ends[0])))
            self.dots(np.linspace(ends[0], ends[1], max(2, round(length))))
        if self.numbered:
            self.write(number, ends[0] + self.arm, 0.8)

    def dots(self, path: Point) -> None:
        """Draw dots along points that lie a pixel apart; where the dots touch, a line."""
        if self.spacing <= self.unit:
            cv2.polylines(self.sheet, [self._fine(path)], False, 255, max(1, self.stroke // 2), cv2.LINE_AA)
            return
        for x, y in self._fine(path[:: max(2, round(self.spacing))]):
            cv2.circle(self.sheet, (int(x), int(y)), max(1, self.stroke // 2), 255, -1)

    def write(self, text: str, place: Point, size: float) -> None:
        scale = size * _FINE * self.unit * (1.0 if self.font == cv2.FONT_HERSHEY_PLAIN else 0.45)
        cv2.putText(self.sheet, text, self._at(place), self.font, scale, 255, self.stroke, cv2.LINE_AA)

    def arrow(self, tip: Point) -> None:
        start = tip + self.arm * np.array([4.0, 3.0])
        cv2.arrowedLine(self.sheet, self._at(start), self._at(tip), 255, self.stroke, cv2.LINE_AA, 0, 0.4)

    def pictogram(self, centre: Point) -> None:
        """Draw a breast as scanners do: a circle with the nipple in it, and a bar where the probe was held."""
        radius = _FINE * self.arm * 3
        cv2.circle(self.sheet, self._at(centre), round(radius), 255, self.stroke, cv2.LINE_AA)
        cv2.circle(self.sheet, self._at(centre), max(1, round(radius / 6)), 255, self.stroke, cv2.LINE_AA)
        bar = centre + self.arm * np.array([[-1.0, 1.5], [1.0, 0.5]])
        cv2.line(self.sheet, self._at(bar[0]), self._at(bar[1]), 255, 2 * self.stroke, cv2.LINE_AA)

    def press(self, grey: Grey) -> None:
        """Put what was drawn onto the picture, in place, some scanners' in a dark outline."""
        if self.outlined:
            self._blend(grey, cv2.dilate(self.sheet, np.ones((2 * _FINE + 1, 2 * _FINE + 1), np.uint8)), 0)
        self._blend(grey, self.sheet, self.bright)

    def _blend(self, grey: Grey, sheet: Grey, bright: int) -> None:
        cover = cv2.resize(sheet, grey.shape[::-1], interpolation=cv2.INTER_AREA)
        touched = cover > 0
        opaque = cover[touched] / np.float32(255)
        grey[touched] = np.rint(grey[touched] * (1 - opaque) + bright * opaque)

    def _cross(self, centre: Point) -> None:
        for step in ((1.0, 1.0), (1.0, -1.0)) if self.tilted else ((1.0, 0.0), (0.0, 1.0)):
            reach = self.arm * np.array(step)
            cv2.line(self.sheet, self._at(centre - reach), self._at(centre + reach), 255, self.stroke)

    def _fine(self, points: Point) -> npt.NDArray[np.int32]:
        return np.rint(points * _FINE).astype(np.int32)

    def _at(self, point: Point) -> tuple[int, int]:
        x, y = self._fine(point)
        return int(x), int(y)
