"""Weights by name from a network, only ever when the user asks for them."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from usassist.core.errors import ModelError
from usassist.core.models import torchvision_ops
from usassist.core.models.families import OPENAI_MEAN, OPENAI_STD, Hints
from usassist.core.models.importing import import_weights
from usassist.core.models.weights import ModelInfo

_HUB = "hf-hub:"
_FILES = ("*.json", "vocab.txt", "open_clip*.safetensors", "open_clip*.bin", "model.safetensors", "pytorch_model.bin")
_ANSWER_S = 10.0
_Result = TypeVar("_Result")


def fetch_and_import(source: str, *, name: str | None = None) -> ModelInfo:
    """Download `TAG:MODEL` (open_clip's tags, such as openai:ViT-B-16) or `hf-hub:OWNER/NAME`, and add it.

    What arrives is read like any other file: nothing in it is run. Raises ModelError, for a network that fails too.
    """
    torchvision_ops.prepare()
    with tempfile.TemporaryDirectory(prefix="usassist-") as temporary:
        folder = Path(temporary)
        if source.startswith(_HUB):
            path = _from_hub(source.removeprefix(_HUB), folder)
            return import_weights(path, name=name or source.rpartition("/")[2], source=source)
        tag, _, model = source.partition(":")
        path, hints = _from_tag(tag, model, folder)
        return import_weights(path, name=name or f"{model}-{tag}", choice=hints.choice, hints=hints, source=source)


def _from_tag(tag: str, model: str, folder: Path) -> tuple[Path, Hints]:
    import open_clip
    from open_clip.pretrained import download_pretrained

    known: dict[str, Any] = open_clip.get_pretrained_cfg(model, tag)
    if not known:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none, for open_clip has no such model"
        raise ModelError(f"open_clip has no weights {tag!r} for {model!r}; the tags of that model are: {tags}.")
    choice = model
    if known.get("quick_gelu") and not (open_clip.get_model_config(model) or {}).get("quick_gelu"):
        choice = f"{model}-quickgelu"

    def fetch() -> str:
        if known.get("hf_hub"):
            _require_answer(str(known["hf_hub"]).rpartition("/")[0])
        return str(download_pretrained(known, cache_dir=str(folder)))

    path = Path(_reached(fetch, source=f"{tag}:{model}"))
    mean, std = tuple(known.get("mean") or OPENAI_MEAN), tuple(known.get("std") or OPENAI_STD)
    return path, replace(Hints(choice=choice), mean=mean, std=std)


def _from_hub(repository: str, folder: Path) -> Path:
    from huggingface_hub import snapshot_download

    def fetch() -> str:
        _require_answer(repository)
        return str(snapshot_download(repository, local_dir=folder, allow_patterns=list(_FILES)))

    return Path(_reached(fetch, source=f"{_HUB}{repository}"))


def _require_answer(repository: str) -> None:
    """Ask the hub about a repository, once; raises what that raises.

    The hub's own download asks again and again, and open_clip once more for every name a file might have: without a
    network that is a minute of waiting for what the first answer says.
    """
    from huggingface_hub import model_info

    model_info(repository, timeout=_ANSWER_S)


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub's retries off the terminal: what comes of them is one sentence in the end."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _reached(fetch: Callable[[], _Result], *, source: str) -> _Result:
    """Return what `fetch` gives. Raises ModelError where the network or the place there does not answer."""
    from huggingface_hub.errors import HfHubHTTPError

    # The hub's library for HTTP differs between its versions; its errors are the bases of the hub's own.
    expected: tuple[type[BaseException], ...] = (OSError, RuntimeError, ValueError, *HfHubHTTPError.__bases__)
    try:
        with _quiet_hub():
            return fetch()
    except expected as error:  # RuntimeError is open_clip's for a checksum, ValueError the hub's for a name
        words = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{source} could not be downloaded ({type(error).__name__}: {words}). Without a network, download the file "
            f"elsewhere, carry it here and give its path to `usassist models add`."
        ) from error
