"""What a run's folder holds beside its checkpoint and its model: how it began, and who may write there."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from usassist.core.errors import TrainingError
from usassist.core.models import clip_settings
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE
from usassist.core.project.atomic import make_folder, write_bytes
from usassist.core.training.checkpoint import CHECKPOINT_FILE
from usassist.core.training.config import TrainConfig, read_recipe, stated, to_toml
from usassist.core.training.distributed import Shard, wait_for_all
from usassist.core.training.sections import SplitConfig
from usassist.core.training.start import Start

RECIPE_FILE = "config.toml"
DATA_FILE = "data.json"
_LOCK_FILE = ".run.lock"


def write_beginning(out: Path, config: TrainConfig, data: Sequence[Path], start: Start) -> None:
    """Write the recipe, where everything lies that it needs, and the towers' own configuration. Raises TrainingError.

    The recipe names the models it starts from; where they lie is kept apart, with the folders of the data.
    """
    named = dataclasses.replace(
        config,
        start_from=_name(config.start_from),
        encoder=dataclasses.replace(config.encoder, base=_name(config.encoder.base)),
    )
    info = start.model or start.base
    models = {key: info.folder for key, info in (("start_from", start.model), ("base", start.base)) if info}
    places = {"data": [str(path.resolve()) for path in data]} | {k: str(v.resolve()) for k, v in models.items()}
    # A checkpoint may be all that there is beside them: a model is built by them.
    open_clip = config.encoder.open_clip if info is None or info.config is None else info.config.encoder.open_clip
    for source in clip_settings.own_files(open_clip, start.folder):
        write_bytes(out / source.name, source.read_bytes(), error=TrainingError)
    # The recipe last: it is what makes the folder a run, so that one that ends here can begin again.
    write_bytes(out / DATA_FILE, json.dumps(places, indent=1).encode(), error=TrainingError)
    write_bytes(out / RECIPE_FILE, to_toml(named).encode(), error=TrainingError)


def read_beginning(run: Path) -> tuple[TrainConfig, list[Path]]:
    """Return a run's recipe, its models by where they lie, and the folders of its data. Raises TrainingError."""
    if not (run / RECIPE_FILE).is_file():
        raise TrainingError(
            f"{run} is not a run: it holds no {RECIPE_FILE}. Start one with a recipe, --data and --out {run}."
        )
    config = read_recipe(run / RECIPE_FILE)
    if "split.near_duplicates" not in stated(run / RECIPE_FILE):  # of earlier versions, which looked for none
        config = dataclasses.replace(config, split=SplitConfig("off"))
    places = _read_places(run / DATA_FILE)
    encoder = dataclasses.replace(config.encoder, base=places.get("base", config.encoder.base))
    config = dataclasses.replace(config, encoder=encoder, start_from=places.get("start_from", config.start_from))
    return config, [Path(folder) for folder in places["data"]]


def has_checkpoint(run: Path) -> bool:
    """Return whether a run can go on; false where no epoch was finished and it can begin again.

    Raises TrainingError for a folder with a model but without a checkpoint: beginning again would overwrite it.
    """
    if (run / CHECKPOINT_FILE).is_file():
        return True
    if (run / WEIGHTS_FILE).exists():
        raise TrainingError(
            f"{run} holds a model but no {CHECKPOINT_FILE}, so it cannot go on. `usassist models add {run}` takes the "
            f"model as it is; to train on from it, start a new run with --set start_from={run}."
        )
    return False


def require_free(out: Path) -> None:
    """Refuse a folder with a run that can go on, or with a model. Raises TrainingError."""
    if (out / CHECKPOINT_FILE).exists():
        raise TrainingError(f"{out} holds a run already; continue it with --resume {out}, or name another with --out.")
    if (out / WEIGHTS_FILE).exists() or (out / CONFIG_FILE).exists():
        raise TrainingError(f"{out} holds a model, which a run would overwrite; name another folder with --out.")


@contextlib.contextmanager
def locked(out: Path, shard: Shard) -> Iterator[None]:
    """Keep a second run out of the folder; the operating system lets go when this process ends, however it ends."""
    wait_for_all()  # everyone has looked at the folder before anyone writes there
    if not shard.is_first:
        yield
        return
    import filelock

    make_folder(out, error=TrainingError)
    try:
        with filelock.FileLock(out / _LOCK_FILE, timeout=0):
            yield
    except filelock.Timeout as error:
        raise TrainingError(
            f"Another process trains in {out} already; wait until it has finished, or name another folder with --out."
        ) from error


def _name(place: str) -> str:
    return Path(place).name or place


def _read_places(path: Path) -> dict[str, Any]:
    try:
        places = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); start a new run with --out.") from error
    if isinstance(places, list):  # of earlier versions: the data only
        places = {"data": places}
    if not isinstance(places, dict) or not isinstance(places.get("data"), list):
        raise TrainingError(f"{path} is not a list of folders; start a new run with --out.")
    models = [places[name] for name in ("start_from", "base") if name in places]
    if not all(isinstance(place, str) for place in (*places["data"], *models)):
        raise TrainingError(f"{path} is not a list of folders; start a new run with --out.")
    return places
