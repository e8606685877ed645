"""What the model costs a person: the first proposal, each further click, loading it, and memory.

    python benchmarks/model_speed.py [--model NAME|DIR | --untrained] [--threads 1,2] [--rounds 12] [--out FILE]

Good on 2 CPU cores, for a frame of 800 x 600: 40 ms for the first proposal, 10 ms for each further click, 0.8 s for
loading (torch's own import is a row of its own), 350 MiB more memory than torch alone. Each frame is new to the engine.

The plain model (nothing folded or fused, memory given back to the system) answers the same questions in a process of
its own. The two take turns, so that whatever else the machine does falls on both: the ratio says more than the
milliseconds do. Processor time is what all threads took together. `--untrained` times the architecture that follows
clicks with random weights. `--out` writes the numbers as JSON, which `usassist models card --benchmark` takes.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import ROOT, results_document, table, verdict, write_results

if TYPE_CHECKING:
    from usassist.core.domain import Frame
    from usassist.core.proposers.proposer import Proposer

_LIMITS = {"first proposal": 40.0, "further click": 10.0}
_LOAD_LIMIT_S, _MEMORY_LIMIT_MIB = 0.8, 350.0
_FRAMES, _CLICKS = 4, 5
_SHAPE = (600, 800)
_HEADER = ("what", "median", "p95", "processor", "plain", "ratio (processor's)", "target", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--untrained", action="store_true", help="the architecture that follows clicks, random weights")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path, help="a JSON file for the numbers")
    parser.add_argument("--child", choices=("plain", "ready"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _answer(options.child, options.model)
        return
    with tempfile.TemporaryDirectory(prefix="usassist-bench-") as folder:
        model = str(_untrained(Path(folder))) if options.untrained else options.model
        told: dict[str, Any] = {}
        rows: list[tuple[object, ...]] = []
        for threads in options.threads.split(","):
            told, measured = _compare(model, int(threads), rounds=options.rounds)
            rows += [(int(threads), *row) for row in measured]
    if options.out is not None:
        title = f"Speed of {told['name']}, a frame of {_SHAPE[1]} x {_SHAPE[0]} pixels"
        header = ("threads", *_HEADER)
        found = results_document("speed", title=title, header=header, rows=rows, weights_hash=told["weights_hash"])
        write_results(options.out, found)


def _untrained(folder: Path) -> Path:
    import torch

    from usassist.core.models.build import build_model
    from usassist.core.models.config import AdapterConfig, HeadConfig
    from usassist.core.models.weights import find_model, save_model

    shipped = find_model(None).config
    if shipped is None:
        raise SystemExit("The shipped model is damaged; reinstall usassist.")
    torch.manual_seed(0)
    config = dataclasses.replace(
        shipped,
        name="untrained",
        adapter=AdapterConfig("none"),
        encoder=dataclasses.replace(shipped.encoder, open_clip="usassist-lite0-pooled", taps=(1, 2, 3, 4)),
        head=HeadConfig("promptable", widths=(96, 64, 48)),
    )
    save_model(build_model(config), folder / "untrained", config=config)
    return folder / "untrained"


def _compare(model: str | None, threads: int, *, rounds: int) -> tuple[dict[str, Any], list[tuple[object, ...]]]:
    """Print a table; return what the model said of itself and the table's rows."""
    with ExitStack() as stack:
        children = {kind: stack.enter_context(_child(kind, model, threads)) for kind in ("plain", "ready")}
        told = {kind: _told(child) for kind, child in children.items()}
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for kind, child in children.items():
                _say(child, "round")
                for what, times in _told(child).items():
                    taken.setdefault((what, kind), []).extend((wall, cpu) for wall, cpu in times)
        for child in children.values():
            _say(child, "memory")
        memory = {kind: _told(child)["mib"] for kind, child in children.items()}
    rows: list[tuple[object, ...]] = []
    for what, limit in _LIMITS.items():
        if (what, "ready") not in taken:
            print(f"\nThe model follows no clicks, so there is no {what} to time.")
            continue
        (wall, cpu), (plain, plain_cpu) = (np.array(taken[what, kind]).T for kind in ("ready", "plain"))
        median, before = float(np.median(wall)), float(np.median(plain))
        both = f"{median / before:.2f} ({np.median(cpu) / np.median(plain_cpu):.2f})"
        spread = (median, float(np.percentile(wall, 95)), float(np.median(cpu)), before)
        rows.append((f"{what}, ms", *spread, both, limit, verdict(median, limit)))
    ready, plain_load = told["ready"], told["plain"]["load_s"]
    load, held = ready["load_s"], memory["ready"]
    ratios = f"{load / plain_load:.2f}", f"{held / memory['plain']:.2f}"
    end = (_LOAD_LIMIT_S, verdict(load, _LOAD_LIMIT_S))
    rows.append(("load, s", load, "", ready["load_cpu_s"], plain_load, ratios[0], *end))
    rows.append(("import torch, s", ready["torch_s"], "", ready["torch_cpu_s"], "", "", "", ""))
    end = (_MEMORY_LIMIT_MIB, verdict(held, _MEMORY_LIMIT_MIB))
    rows.append(("added memory, MiB", held, "", "", memory["plain"], ratios[1], *end))
    table(f"{ready['name']}, {threads} thread(s), {_SHAPE[1]} x {_SHAPE[0]} pixels", _HEADER, rows)
    return ready, rows


@contextmanager
def _child(kind: str, model: str | None, threads: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, __file__, "--child", kind, *(["--model", model] if model else [])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as child:
        yield child
        _say(child, "end")


def _say(child: "subprocess.Popen[str]", word: str) -> None:
    if child.stdin is not None:
        child.stdin.write(word + "\n")
        child.stdin.flush()


def _told(child: "subprocess.Popen[str]") -> dict[str, Any]:
    line = child.stdout.readline() if child.stdout is not None else ""
    if not line:
        raise SystemExit("A process of the benchmark ended early; what it said stands above.")
    found: dict[str, Any] = json.loads(line)
    return found


def _answer(kind: str, model: str | None) -> None:
    """Run in a child: load, then answer each line on stdin with one of JSON."""
    from usassist.core.models.threads import limit_threads

    limit_threads()  # before torch is imported, as the application does: else its idle threads spin
    start, cpu = time.perf_counter(), time.process_time()
    import torch  # noqa: F401

    torch_s, torch_cpu_s, before = time.perf_counter() - start, time.process_time() - cpu, _resident_mib()
    start, cpu = time.perf_counter(), time.process_time()
    proposer = _plain(model) if kind == "plain" else _ready(model)
    load = {"load_s": time.perf_counter() - start, "load_cpu_s": time.process_time() - cpu}
    named = {"name": proposer._config.name, "weights_hash": proposer.weights_hash}
    _put({"torch_s": torch_s, "torch_cpu_s": torch_cpu_s, **named, **load})
    frames = _frames(seed=0)
    for frame in (next(frames) for _ in range(3)):  # what only the first answers cost
        _round(proposer, frame)
    for line in sys.stdin:
        if line.strip() == "round":
            rounds = [_round(proposer, next(frames)) for _ in range(_FRAMES)]
            _put({what: [each for one in rounds for each in one[what]] for what in rounds[0]})
        elif line.strip() == "memory":
            _put({"mib": _resident_mib() - before})
        else:
            break


def _ready(model: str | None) -> Any:
    from usassist.core.proposers import BuildOptions, build

    return build("clip_mona", BuildOptions(model=model, device="cpu"))


def _plain(model: str | None) -> Any:
    from usassist.core.models.build import build_model
    from usassist.core.models.embedder import freeze_for_inference
    from usassist.core.models.weights import fill, find_model
    from usassist.core.proposers.clip_mona import ClipMonaProposer

    info = find_model(model)
    if info.config is None:
        raise SystemExit(f"{info.folder} holds no model.")
    built = build_model(info.config, folder=info.folder)
    fill(built, info.folder / "weights.safetensors")
    return ClipMonaProposer(freeze_for_inference(built), info.config, weights_hash=info.weights_hash)


def _round(proposer: "Proposer", frame: "Frame") -> dict[str, list[tuple[float, float]]]:
    from usassist.core.domain import Prompt, PromptPoint

    found: dict[str, list[tuple[float, float]]] = {"first proposal": []}
    mask = _timed(found["first proposal"], lambda: proposer.propose(frame, Prompt("lesion")))[0].mask
    if "points" not in proposer.spec.prompts:
        return found
    places = np.random.default_rng(0).uniform(0.2, 0.8, (_CLICKS, 2)) * (_SHAPE[1], _SHAPE[0])
    points = tuple(PromptPoint(float(x), float(y), positive=index % 3 < 2) for index, (x, y) in enumerate(places))
    found["further click"] = []
    for count in range(1, _CLICKS + 1):
        prompt = Prompt("lesion", points=points[:count], mask=mask)
        mask = _timed(found["further click"], lambda prompt=prompt: proposer.propose(frame, prompt))[0].mask
    return found


def _timed(times: list[tuple[float, float]], work: Any) -> Any:
    start, cpu = time.perf_counter(), time.process_time()
    answer = work()
    times.append(((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3))
    return answer


def _frames(*, seed: int) -> Iterator["Frame"]:
    """Yield speckle that no engine has seen before."""
    from usassist.core.domain import Frame, FrameRef
    from usassist.core.geometry.cv import cv2

    generator = np.random.default_rng(seed)
    for index in range(1_000_000):
        coarse = generator.gamma(2.0, 30.0, (_SHAPE[0] // 4, _SHAPE[1] // 4)).clip(0, 255).astype(np.uint8)
        yield Frame(FrameRef("speckle", index), cv2.resize(coarse, _SHAPE[::-1]))


def _resident_mib() -> float:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _put(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
