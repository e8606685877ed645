"""The training loop, from top to bottom."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.segmenter import Segmenter
from usassist.core.training import losses
from usassist.core.training.batches import Batch, Loaded, TrainBatches, eval_batches
from usassist.core.training.config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass
class TrainState:
    """All that a resumed run needs: weights, their moving average, the optimiser, and where we are."""

    model: Segmenter
    average: Segmenter
    optimiser: torch.optim.AdamW
    epoch: int = 0
    step: int = 0
    best: float = -1.0


@dataclass(frozen=True)
class EpochReport:
    """One line of metrics.jsonl."""

    epoch: int
    seconds: float
    lr: float
    loss: float
    parts: dict[str, float]
    val: dict[str, float]


def new_state(model: Segmenter, config: TrainConfig) -> TrainState:
    """Prepare the optimiser and the moving average for a model."""
    select_trainable(model, config)
    groups = parameter_groups(model, config)
    average = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
    return TrainState(model, average, torch.optim.AdamW(groups, betas=(0.9, 0.99)))


def select_trainable(model: Segmenter, config: TrainConfig) -> None:
    """With trainable = "adapters" freeze both towers except their adapters; the head always learns."""
    if config.trainable == "all":
        return
    for name, parameter in model.encoder.named_parameters():
        parameter.requires_grad_(".adapter." in name)


def set_training_mode(model: Segmenter, config: TrainConfig) -> None:
    """Switch to training; with trainable = "adapters" what is frozen stays as at work, its statistics included."""
    model.train()
    if config.trainable == "all":
        return
    for module in model.encoder.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def parameter_groups(model: Segmenter, config: TrainConfig) -> list[dict[str, Any]]:
    """Split parameters by learning rate (pretrained stages apart) and by weight decay (none on vectors)."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            lr = config.trunk_lr if ".stages." in name else config.lr
            decay = 0.0 if parameter.ndim < 2 else config.weight_decay
            groups.setdefault((lr, decay), []).append(parameter)
    return [{"params": p, "lr": lr, "peak_lr": lr, "weight_decay": decay} for (lr, decay), p in groups.items()]


def lr_factor(step: int, total: int, warmup: float) -> float:
    """Return the one-cycle factor of a step: a linear rise, then a cosine to nearly 0.

    >>> [round(lr_factor(s, 10, 0.2), 2) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def train_epochs(
    state: TrainState,
    train: TrainBatches,
    val: Sequence[Loaded],
    config: TrainConfig,
    *,
    device: torch.device,
    on_epoch: Callable[[EpochReport, bool], None],
) -> None:
    """Train from `state.epoch` to the end; after each epoch call `on_epoch(report, is_best)`.

    `val` may be empty: then every epoch is the best so far.

    The state is advanced before the call, so what `on_epoch` saves is what a resumed run continues from.
    """
    total = config.epochs * len(train)
    while state.epoch < config.epochs:
        started = time.monotonic()
        torch.manual_seed(config.seed * 100_003 + state.epoch)  # dropout: the same after a resume
        sums: dict[str, float] = {}
        set_training_mode(state.model, config)
        for batch in train.epoch(state.epoch):
            factor = lr_factor(state.step, total, config.warmup)
            for group in state.optimiser.param_groups:
                group["lr"] = group["peak_lr"] * factor
            parts = train_step(state, batch, config, device=device)
            state.step += 1
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
        means = {name: value / len(train) for name, value in sums.items()}
        scores = validate(state.average, val, config, device=device)
        state.epoch += 1
        # Without validation images the latest weights are the best guess.
        is_best = scores["score"] > state.best or not val
        state.best = max(state.best, scores["score"])
        lr = state.optimiser.param_groups[0]["lr"]
        report = EpochReport(state.epoch, time.monotonic() - started, lr, sum(means.values()), means, scores)
        on_epoch(report, is_best)


def train_step(state: TrainState, batch: Batch, config: TrainConfig, *, device: torch.device) -> dict[str, float]:
    """Take one optimiser step; returns the weighted terms of the loss."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        terms = loss_terms(state.model, batch, config, device=device)
    state.optimiser.zero_grad(set_to_none=True)
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    if torch.isfinite(norm):
        state.optimiser.step()
    else:
        logger.warning("Step %d: the gradient is not finite; the step was skipped.", state.step)
    update_average(state.average, state.model, decay=min(config.ema, (1 + state.step) / (10 + state.step)))
    return {name: float(value.detach()) for name, value in terms.items()}


def loss_terms(model: Segmenter, batch: Batch, config: TrainConfig, *, device: torch.device) -> dict[str, Tensor]:
    """Return the weighted terms of the loss of a batch."""
    weights = config.loss
    images = batch.images.to(device, memory_format=torch.channels_last)
    truth = batch.truth.to(device)
    # Each text is encoded once, however many images ask for it.
    texts = list(dict.fromkeys([*batch.prompts, *batch.captions]))
    embedded = model.embed_texts(texts)
    prompts = embedded[[texts.index(prompt) for prompt in batch.prompts]]
    given = torch.tensor([bool(prompt) for prompt in batch.prompts], device=device)
    features = model.encode(images)
    out = model.decode(features, prompts, given=given)
    logits = F.interpolate(out.logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
    shows = truth.flatten(1).any(1)
    terms = {
        "dice": weights.dice * losses.dice_loss(logits, truth),
        "bce": weights.bce * losses.bce_loss(logits, truth),
        "presence": weights.presence * F.binary_cross_entropy_with_logits(out.presence.float(), shows.float()),
    }
    if shows.any():
        reached = losses.hard_dice(logits.detach(), truth)[shows]
        terms["quality"] = weights.quality * F.binary_cross_entropy_with_logits(out.quality.float()[shows], reached)
    if weights.contrast > 0:
        captions = embedded[[texts.index(caption) for caption in batch.captions]]
        scale = model.encoder.clip.logit_scale.exp().clamp(max=100)  # type: ignore[operator]
        terms["contrast"] = weights.contrast * losses.class_contrast(
            features.embedding.float(), captions.float(), batch.classes.to(device), scale
        )
    return terms


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, decay: float) -> None:
    """Move the averaged weights a little towards the model's; statistics of normalisation likewise."""
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs.to(mine.dtype), 1 - decay)
        else:
            mine.copy_(theirs)


@torch.inference_mode()
def validate(
    model: Segmenter, items: Sequence[Loaded], config: TrainConfig, *, device: torch.device
) -> dict[str, float]:
    """Score a model on validation items at its own size, without a prompt.

    `score` selects the checkpoint: the mean Dice over all images after the presence decision at 0.5.
    """
    model.eval()
    dice, presence, shows = [], [], []
    for images, truth in eval_batches(items, config):
        features = model.encode(images.to(device, memory_format=torch.channels_last))
        out = model.decode(features)
        logits = F.interpolate(out.logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
        dice.append(losses.hard_dice(logits.cpu(), truth))
        presence.append(out.presence.float().sigmoid().cpu())
        shows.append(truth.flatten(1).any(1))
    if not dice:
        return {"score": 0.0, "n": 0.0}
    d, p, s = torch.cat(dice), torch.cat(presence), torch.cat(shows)
    decided = torch.where(p >= 0.5, d, (~s).float())
    return {
        "score": float(decided.mean()),
        "dice_lesion": float(d[s].mean()) if s.any() else 0.0,
        "found": float((p[s] >= 0.5).float().mean()) if s.any() else 0.0,
        "empty_correct": float((p[~s] < 0.5).float().mean()) if (~s).any() else 1.0,
        "n": float(len(d)),
    }
