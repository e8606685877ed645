"""How long after a frame opens is the proposal there?

    python benchmarks/proposal.py [--engine clip_mona] [--model NAME] [--cores 2] [--here] [--frames 40]

Good: a median of 60 ms with the shipped model on 2 CPU cores. Each frame is new to the engine, as when a person goes to
the next picture: the time is `propose` without an earlier `warm`. By default the engine lives in a child process, as in
the window; `--here` builds it in this process. The start of the engine, first answer included, is its own row. The
model is asked about the sample's cine or about the files under --data.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from common import SAMPLE, quiet_environment, table, verdict

_LIMIT_MS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="clip_mona")
    parser.add_argument("--model", default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cores", type=int, default=2, help="CPU cores to keep to (Linux)")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--data", type=Path, default=SAMPLE, help="file or folder to ask about")
    parser.add_argument("--here", action="store_true", help="no child process")
    options = parser.parse_args()
    quiet_environment()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.cores]))
    from usassist.core.domain import Prompt
    from usassist.core.errors import UsassistError
    from usassist.core.io.library import Library
    from usassist.core.io.open_study import find_sources
    from usassist.core.proposers import BuildOptions, build, remote

    build_options = BuildOptions(model=options.model, device=options.device)
    with Library(find_sources(options.data)) as library:
        refs = [ref for source in library.sources for ref in library.study(source.key).frames][: options.frames + 1]
        frames = [library.frame(ref) for ref in refs]
    start = time.perf_counter()
    make = build if options.here else remote.start
    try:
        proposer = make(options.engine, build_options)
        proposer.propose(frames[0], Prompt("lesion"))
    except UsassistError as error:
        raise SystemExit(str(error)) from error
    first_s = time.perf_counter() - start
    taken, inside, scores = [], [], []
    for frame in frames[1:]:
        start = time.perf_counter()
        found = proposer.propose(frame, Prompt("lesion"))
        taken.append((time.perf_counter() - start) * 1e3)
        inside.append(found[0].seconds * 1e3 if found else float("nan"))
        scores.append(max((proposal.score for proposal in found), default=0.0))
    proposer.close()
    median = float(np.median(taken))
    where = "in this process" if options.here else "in a child process"
    rows = [
        ("engine start and first answer", first_s * 1e3, "", "", ""),
        (f"proposal, {where}", median, float(np.percentile(taken, 95)), _LIMIT_MS, verdict(median, _LIMIT_MS)),
        ("of which the engine's own time", float(np.median(inside)), float(np.percentile(inside, 95)), "", ""),
    ]
    table(f"{options.engine} on {options.cores} cores, {len(taken)} frames", ("what", "ms", "p95", "target", ""), rows)
    print(f"mean score {np.mean(scores):.2f}")


if __name__ == "__main__":
    main()
