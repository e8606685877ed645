"""How many frames a second does `usassist propose` do, from image files to mask files?

    python benchmarks/batch_propose.py [--data DATA/busi/images] [--frames 192] [--model NAME|DIR] [--threads 1,2]
        [--out FILE]

Good: 40 frames a second on 2 CPU cores. Without --data, PNGs of 800 x 600 pixels are made. The same files are done two
ways, in turns of a few files, so that whatever else the machine does falls on both: as the command does them, and one
by one (read, ask, write, then the next). With two of torch's threads the command asks about two batches at the same
time, one on each. Processor time is what all threads took together: with it a busy machine's wall clock can be read;
"cores" is how many were busy. Last, the whole command in a process of its own, its start and the model's loading
included. `--out` writes the numbers as JSON, which `usassist models card --benchmark` takes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, results_document, table, write_pictures, write_results

_LEAST_FRAMES_S = 40.0
_TURN = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of images")
    parser.add_argument("--frames", type=int, default=192)
    parser.add_argument("--model", default=None)
    parser.add_argument("--threads", default="1,2", help="torch's threads, beside those that read and write")
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command sets it
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    with tempfile.TemporaryDirectory(prefix="usassist-bench-") as name:
        folder = Path(name)
        given = options.data or folder / "in"
        if options.data is None:
            write_pictures(given, options.frames, rows=600, cols=800)
        _compare(given, folder / "out", options)
        _whole_command(given, folder / "command", options)


def _compare(given: Path, out: Path, options: argparse.Namespace) -> None:
    import torch

    from usassist.core.cli.inputs import Input, find_inputs, plan_names
    from usassist.core.cli.proposing import Job
    from usassist.core.domain import Prompt
    from usassist.core.exchange import specs

    inputs = find_inputs([given])[0][: options.frames]
    names = plan_names(inputs)
    prompt, png = Prompt("lesion"), specs()["png_mask"]
    rows: list[tuple[object, ...]] = []
    with _engine(options.model) as engine, _quiet() as bar:

        def batched(part: list[Input], paths: list[str]) -> None:
            Job(out, engine, prompt, png).run(part, paths, bar)

        def one_by_one(part: list[Input], paths: list[str]) -> None:
            for item, path in zip(part, paths, strict=True):
                _do_one(item, out / f"{path}.png", engine.proposer, prompt, png.write)

        for threads in map(int, options.threads.split(",")):
            torch.set_num_threads(threads)
            ways: dict[str, Callable[[list[Input], list[str]], None]] = {"batches": batched, "one by one": one_by_one}
            for way in ways.values():
                way(inputs[:8], names[:8])
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for start in range(0, len(inputs), _TURN):
                part, paths = inputs[start : start + _TURN], names[start : start + _TURN]
                for name, way in ways.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    way(part, paths)
                    spent = time.perf_counter() - wall, time.process_time() - cpu
                    taken[name].append((spent[0] / len(part) * 1e3, spent[1] / len(part) * 1e3))
            rows += [_row(f"{name}, torch's threads: {threads}", taken[name], taken["one by one"]) for name in ways]
    header = (
        "what",
        "frames/s",
        "ms a frame",
        "processor ms a frame",
        "cores",
        "of one by one",
        "processor",
        "target",
        "",
    )
    title = f"{len(inputs)} files of {given.name}, medians of turns of {_TURN}"
    table(title, header, rows)
    if options.out is not None:
        title = f"usassist propose with {engine.model}: {title}"
        facts = {"model": engine.model, "weights_hash": engine.weights_hash or None}
        write_results(options.out, results_document("batch", title=title, header=header, rows=rows, **facts))


def _row(what: str, taken: list[tuple[float, float]], other: list[tuple[float, float]]) -> tuple[object, ...]:
    (wall, cpu), (plain, plain_cpu) = (np.median(np.array(times), axis=0) for times in (taken, other))
    met = (_LEAST_FRAMES_S, "ok" if 1e3 / wall >= _LEAST_FRAMES_S else "MISSED")
    return (
        what,
        float(1e3 / wall),
        float(wall),
        float(cpu),
        float(cpu / wall),
        f"{wall / plain:.2f}",
        f"{cpu / plain_cpu:.2f}",
        *(met if taken is not other else ("", "")),  # one by one is there to compare with
    )


def _do_one(item: Any, path: Path, proposer: Any, prompt: Any, write: Any) -> None:
    from usassist.core.io.open_study import open_source

    reader = open_source(item.source)
    frame = reader.frame(0)
    reader.close()
    write(path, proposer.propose(frame, prompt)[0].mask, frame=frame)


@contextmanager
def _engine(model: str | None) -> Iterator[Any]:
    from usassist.core.cli.engine import add_engine_arguments, engine

    parser = argparse.ArgumentParser()
    add_engine_arguments(parser)
    with engine(parser.parse_args(["--device", "cpu", *(["--model", model] if model else [])])) as built:
        yield built


@contextmanager
def _quiet() -> Iterator[Any]:
    from usassist.core.cli.output import progress

    with progress("", total=1, unit="file", quiet=True) as bar:
        yield bar


def _whole_command(given: Path, out: Path, options: argparse.Namespace) -> None:
    chosen = sorted(path for path in given.iterdir() if path.is_file())[: options.frames]
    command = [sys.executable, "-m", "usassist", "propose", *map(str, chosen), "--out", str(out), "--device", "cpu"]
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *(["--model", options.model] if options.model else [])], check=True, env=environment)
    seconds = time.perf_counter() - start
    print(f"The whole command, start and loading included: {len(chosen) / seconds:.1f} frames/s ({seconds:.1f} s).")


if __name__ == "__main__":
    main()
