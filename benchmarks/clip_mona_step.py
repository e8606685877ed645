"""How much faster than the published code are a training step and an inference of CLIP-Mona, with how much memory?

    python benchmarks/clip_mona_step.py [--threads 1,2] [--batch 4] [--rounds 5] [--precision int8] [--device cpu|cuda]

Good: 2.5 times the images a second in training and in inference, at most half the peak memory. ViT-B/16 at 224 pixels
with Mona twice a block and the pyramid head, random weights, against `published.py`: first both are shown to compute
the same function in float32, then they take turns in one process and the ratio of the medians counts, since machines
are noisy. A training step is augmentation, forward, loss, backward and AdamW; an inference goes from grey frames to
logits. Ours runs in float32 (the same answers), then in the precision under --precision, by default the fastest that
this processor has; what head, augmentation and precision contribute is measured apart. Peak memory is that of a child
process for each. On a CUDA device: the share of the bf16 matrix peak in training, and the latency of one image.
"""

import argparse
import functools
import gc
import json
import random
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, table
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models import torchvision_ops

torchvision_ops.prepare()

import published  # noqa: E402  # imports open_clip

from usassist.core.data.augment import AugmentConfig, augment  # noqa: E402
from usassist.core.models import adapt, precision  # noqa: E402
from usassist.core.models.build import build_segmenter  # noqa: E402
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig  # noqa: E402
from usassist.core.models.preprocess import resize_grey, to_tensor  # noqa: E402
from usassist.core.models.work import make_ready  # noqa: E402
from usassist.core.training import losses  # noqa: E402

_SPEEDUP, _MEMORY, _SAME = 2.5, 0.5, 1e-4
_PREPROCESS = PreprocessConfig(published.SIZE, published.MEAN, published.STD)
_CONFIG = ModelConfig(
    "bench",
    "Benchmark",
    EncoderConfig("ViT-B-16-quickgelu", published.TAPS),
    AdapterConfig(placement="both"),
    HeadConfig("pyramid", width=512, fusion="sequential"),
    _PREPROCESS,
)
_RECIPE = ROOT / "resources" / "recipes" / "nextgen-uia-segment.toml"
Frames = list[tuple[np.ndarray, np.ndarray]]


class Ours:
    """The product's path: its model, its preprocessing and augmentation, its losses."""

    def __init__(self, *, kind: precision.Precision, learns: bool, state: dict[str, Tensor] | None = None) -> None:
        self.model = build_segmenter(_CONFIG)
        if state is not None:
            self.model.load_state_dict(state)
        adapt.select_trainable(self.model, _CONFIG.adapter, trainable="adapters")
        self.config = AugmentConfig(**tomllib.loads(_RECIPE.read_text())["augment"])
        self.rng = np.random.default_rng(0)
        if learns:
            self.learning = [p for p in self.model.parameters() if p.requires_grad]
            self.optimiser = torch.optim.AdamW(self.learning, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01)
            precision.lower(self.model, kind)
        else:
            make_ready(self.model, precision=kind)

    def logits(self, images: Tensor) -> Tensor:
        return self.model.decode(self.model.encode(images)).logits

    def views(self, frames: Frames) -> tuple[Tensor, Tensor]:
        pairs = [augment(g, m, size=published.SIZE, config=self.config, rng=self.rng) for g, m in frames]
        truth = torch.from_numpy(np.stack([mask for _, mask in pairs])).long()
        return to_tensor([grey for grey, _ in pairs], _PREPROCESS), truth

    def train(self, frames: Frames) -> None:
        images, truth = self.views(frames)
        adapt.training_mode(self.model)
        logits = self.logits(images)
        loss = losses.class_dice_loss(logits, truth, squared=True) + losses.cross_entropy(logits, truth)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def infer(self, frames: Frames) -> None:
        self.model.eval()
        with torch.inference_mode():
            self.logits(to_tensor([resize_grey(grey, published.SIZE) for grey, _ in frames], _PREPROCESS))


class Published:
    """The straightforward implementation of the same."""

    def __init__(self, *, state: dict[str, Tensor] | None = None) -> None:
        self.model = published.PublishedModel()
        if state is not None:
            self.model.load_state_dict(published.names_of(state) | text_of(self.model))
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(learning, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.01)
        self.rng = random.Random(0)

    def views(self, frames: Frames, *, train: bool) -> tuple[Tensor, Tensor]:
        pairs = [published.prepare(grey, mask, self.rng, train=train) for grey, mask in frames]
        return torch.stack([image for image, _ in pairs]), torch.stack([truth for _, truth in pairs])

    def train(self, frames: Frames) -> None:
        images, truth = self.views(frames, train=True)
        self.model.train()
        loss = published.dice_ce(self.model(images), truth)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def infer(self, frames: Frames) -> None:
        self.model.eval()
        with torch.no_grad():
            self.model(self.views(frames, train=False)[0])


def text_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith("text.")}


def awake_state() -> dict[str, Tensor]:
    """Return random weights of our model whose adapters do something."""
    torch.manual_seed(0)
    model = build_segmenter(_CONFIG)
    for name, parameter in model.named_parameters():
        if name.endswith("_adapter.up.weight"):
            nn.init.normal_(parameter, std=0.02)
    return model.state_dict()


def make_frames(count: int) -> Frames:
    """Return simulated grey frames of 480 x 640 and their masks."""
    from usassist.core.data.simulate import random_scene, simulate
    from usassist.core.geometry.cv import cv2

    pictures = [next(iter(simulate(random_scene(seed, kind="fibroadenoma")))) for seed in range(min(count, 4))]
    pairs = [(cv2.resize(p.pixels, (640, 480)), cv2.resize(p.mask.astype(np.uint8), (640, 480))) for p in pictures]
    return [(grey, mask.astype(np.bool_)) for grey, mask in (pairs[index % len(pairs)] for index in range(count))]


def differences(state: dict[str, Tensor]) -> tuple[float, float]:
    """Return how far the two implementations' logits, and their adapters' gradients relatively, are apart."""
    ours, theirs = Ours(kind="fp32", learns=True, state=state), Published(state=state)
    images = torch.randn(2, 3, published.SIZE, published.SIZE, generator=torch.Generator().manual_seed(1))
    truth = (images[:, 0] > 0).long()
    ours.model.eval(), theirs.model.eval()
    mine, other = ours.logits(images), theirs.model(images)
    published.dice_ce(mine, truth).backward()
    published.dice_ce(other, truth).backward()
    named = published.names_of({n: p.grad for n, p in ours.model.named_parameters() if p.grad is not None})
    reference = {n: p.grad for n, p in theirs.model.named_parameters() if n in named and p.grad is not None}
    worst = max(float((named[n] - g).norm() / g.norm().clamp_min(1e-12)) for n, g in reference.items())
    return float((mine - other).detach().abs().max()), worst


@dataclass(frozen=True)
class Taken:
    """Median seconds of one call: on the clock, and of all this process's threads together."""

    wall: float
    processor: float


def take_turns(works: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Taken]:
    """Run each work in turns, after one turn to warm up."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            started = time.perf_counter(), time.process_time()
            work()
            if turn:
                taken[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return {name: Taken(*(float(m) for m in np.median(pairs, axis=0))) for name, pairs in taken.items()}


def shares(batch: int, rounds: int) -> dict[str, float]:
    """Return ms an image of head and augmentation alone, ours and published."""
    frames, ours = make_frames(batch), Ours(kind="fp32", learns=False)
    grid = torch.randn(batch, 512, 14, 14, requires_grad=True)
    conv = nn.Conv2d(512, 2, 1)
    size = (published.SIZE, published.SIZE)
    rng = random.Random(0)

    def enlarge(x: Tensor) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)

    works: dict[str, Callable[[], object]] = {
        "head forward, published": lambda: conv(enlarge(grid.detach())),
        "head forward, ours": lambda: enlarge(conv(grid.detach())),
        "head training, published": lambda: conv(enlarge(grid)).square().mean().backward(),
        "head training, ours": lambda: enlarge(conv(grid)).square().mean().backward(),
        "augmentation, published": lambda: [published.prepare(g, m, rng, train=True) for g, m in frames],
        "augmentation, ours": lambda: ours.views(frames),
    }
    return {name: taken.wall / batch * 1e3 for name, taken in take_turns(works, rounds=max(rounds, 5)).items()}


def child(name: str, phase: str, kind: precision.Precision, batch: int) -> None:
    """Print this process's peak memory in MB after three steps, and before anything was built."""
    torch.set_num_threads(1)
    before, frames = peak_mb(), make_frames(batch)
    learns = phase == "train"
    subject = Published() if name == "published" else Ours(kind=kind, learns=learns)
    for _ in range(3):
        (subject.train if learns else subject.infer)(frames)
    print(json.dumps({"before": before, "peak": peak_mb()}))


def peak_mb() -> float:
    """Return this process's peak resident memory. Linux's getrusage would count the parent's, which was copied."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


def memory(name: str, phase: str, kind: str, batch: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", f"{name},{phase},{kind}", "--batch", str(batch)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def processor() -> dict[str, Any]:
    """Return the processor's name and which matrix and vector instructions for few bits it has."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    rows = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in rows.items()}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    wanted = (
        "avx2",
        "avx512f",
        "avx512_bf16",
        "avx512_vnni",
        "avx_vnni",
        "avx512_fp16",
        "amx_bf16",
        "amx_int8",
        "bf16",
    )
    return {"name": fields.get("model name", "unknown"), "flags": [flag for flag in wanted if flag in flags]}


def measure(threads: int, batch: int, rounds: int, kinds: Sequence[precision.Precision]) -> dict[str, dict[str, Taken]]:
    """Return how long a step and an inference of each implementation take."""
    torch.set_num_threads(threads)
    frames, found = make_frames(batch), {}
    for phase in ("train", "infer"):
        subjects: dict[str, Any] = {"published": Published()}
        subjects |= {kind: Ours(kind=kind, learns=phase == "train") for kind in kinds}
        works = {name: functools.partial(getattr(subject, phase), frames) for name, subject in subjects.items()}
        found[phase] = take_turns(works, rounds=rounds)
        del subjects, works
        gc.collect()
    return found


def on_cpu(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(options.threads[0])
    speeds = precision.speeds()
    chosen: precision.Precision = options.precision or max(speeds, key=lambda kind: speeds[kind])
    logits, gradients = differences(awake_state())
    report: dict[str, Any] = {"processor": processor(), "torch": torch.__version__, "gflops": speeds}
    report |= {"logits_differ": logits, "gradients_differ": gradients, "batch": options.batch, "precision": chosen}
    print(f"{report['processor']['name']}: {' '.join(report['processor']['flags'])}")
    table("The largest product of a ViT-B/16", ("precision", "GFLOP/s"), list(speeds.items()))
    said = "the same function" if max(logits, gradients) <= _SAME else "NOT THE SAME FUNCTION"
    print(f"\nfloat32 against published: {said} (logits {logits:.1e}, gradients {gradients:.1e} relatively)")
    kinds = tuple(dict.fromkeys(("fp32", "bf16", chosen)))
    for threads in options.threads:
        found = measure(threads, options.batch, options.rounds, kinds)
        report[f"threads_{threads}"] = {p: {n: asdict(t) for n, t in rows.items()} for p, rows in found.items()}
        rows = []
        for phase, taken in found.items():
            for name, one in taken.items():
                ratio, busy = taken["published"].wall / one.wall, taken["published"].processor / one.processor
                good = ("ok" if ratio >= _SPEEDUP else "MISSED") if name == chosen else ""
                rows.append((phase, name, one.wall / options.batch * 1e3, options.batch / one.wall, ratio, busy, good))
        header = ("phase", "implementation", "ms/image", "images/s", "x published", "by processor time", "target 2.5")
        table(f"{threads} threads, batch {options.batch}, medians of {options.rounds}", header, rows)
    torch.set_num_threads(options.threads[0])
    report["shares_ms"] = shares(options.batch, options.rounds)
    table("Parts alone, one setting of threads", ("part", "ms/image"), list(report["shares_ms"].items()))
    report["memory_mb"] = on_memory(chosen, options.memory_batch)
    return report


def on_memory(chosen: precision.Precision, batches: Sequence[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rows = []
    for phase, batch in zip(("train", "infer"), batches, strict=True):
        theirs = memory("published", phase, "fp32", batch)
        for kind in dict.fromkeys(("fp32", chosen)):
            ours = memory("ours", phase, kind, batch)
            ratio = ours["peak"] / theirs["peak"]
            found[f"{phase}_{kind}"] = {"published": theirs["peak"], "ours": ours["peak"], "imports": ours["before"]}
            good = "ok" if ratio <= _MEMORY else "MISSED"
            rows.append((phase, batch, kind, theirs["peak"], ours["peak"], ratio, good))
    header = ("phase", "batch", "ours in", "published MB", "ours MB", "ratio", f"target {_MEMORY}")
    table("Peak memory of a process", header, rows)
    return found


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--memory-batch", type=numbers, default=[16, 16], help="in training and in inference")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=("fp32", "bf16", "int8"), default=None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, phase, kind = options.child.split(",")
        child(name, phase, kind, options.batch)
        return
    report = on_cpu(options) if options.device == "cpu" else {}
    if torch.cuda.is_available():
        import clip_mona_cuda

        report |= clip_mona_cuda.measure(_CONFIG)
    else:
        print("\nThere is no CUDA device here: matrix peak and latency with a captured graph were not measured.")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
