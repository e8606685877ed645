"""How long do surface distances take on a large mask?

    python benchmarks/metrics.py [--size 512] [--repeat 50]

Good: HD95 and ASSD of one pair together within 10 ms at 512 x 512 pixels, so that scoring never outweighs the model.
The pair is an irregular outline and the same shifted and rough, a fifth of the picture in area; the second row asks for
both from one computation, as the evaluation does; in mm with unequal spacing another algorithm runs.
"""

import argparse

import numpy as np
from common import milliseconds, table, verdict

_LIMIT_MS = 10.0


def _blob(size: int, *, shift: float, roughness: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:size, :size]
    dy, dx = rows - size * (0.5 + shift), cols - size * 0.5
    angle = np.arctan2(dy, dx)
    radius = np.full_like(angle, size * 0.25)
    for order in range(2, 16):
        radius += size * roughness / order * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.hypot(dy, dx) < radius)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=50)
    options = parser.parse_args()
    from usassist.core.metrics.overlap import dice
    from usassist.core.metrics.surface import assd, hd95, surface_distances

    truth = _blob(options.size, shift=0.0, roughness=0.05, seed=1)
    pred = _blob(options.size, shift=0.03, roughness=0.08, seed=2)

    def together() -> None:
        distances = surface_distances(truth, pred)
        _ = distances.hd95, distances.assd

    works = {
        "Dice": lambda: dice(truth, pred),
        "HD95 and ASSD, one after the other": lambda: (hd95(truth, pred), assd(truth, pred)),
        "HD95 and ASSD from one computation": together,
        "HD95 in mm, unequal spacing": lambda: hd95(truth, pred, spacing_mm=(0.08, 0.11)),
    }
    rows = []
    for name, work in works.items():
        times = milliseconds(work, repeat=options.repeat)
        median = float(np.median(times))
        rows.append((name, median, float(np.percentile(times, 95)), _LIMIT_MS, verdict(median, _LIMIT_MS)))
    table(
        f"Metrics of one pair of {options.size} x {options.size}", ("what", "median ms", "p95 ms", "target", ""), rows
    )


if __name__ == "__main__":
    main()
