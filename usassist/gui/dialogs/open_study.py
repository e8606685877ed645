"""Picking files, a folder or a project to open."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from usassist.core.io.find import KNOWN_SUFFIXES


def file_filters() -> str:
    """Return the filters of the file picker; "All files" is there for DICOM files without a suffix."""
    patterns = " ".join(f"*{suffix} *{suffix.upper()}" for suffix in KNOWN_SUFFIXES)
    images = " ".join(
        f"*{s} *{s.upper()}" for s in KNOWN_SUFFIXES if s in {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
    )
    dicom = " ".join(f"*{s} *{s.upper()}" for s in KNOWN_SUFFIXES if s in {".dcm", ".dicom", ".dic", ".ima"})
    return f"Ultrasound ({patterns});;DICOM ({dicom});;Images ({images});;All files (*)"


def pick_files(parent: QWidget | None, *, folder: Path | None = None) -> tuple[Path, ...]:
    """Let the person pick files to open; nothing where they cancel."""
    names, _filter = QFileDialog.getOpenFileNames(parent, "Open files", _start(folder), file_filters())
    return tuple(Path(name) for name in names)


def pick_folder(parent: QWidget | None, *, folder: Path | None = None) -> Path | None:
    """Let the person pick a folder, opened with everything in it; None where they cancel."""
    name = QFileDialog.getExistingDirectory(parent, "Open a folder of images, DICOM files or both", _start(folder))
    return Path(name) if name else None


def pick_project(parent: QWidget | None, *, folder: Path | None = None) -> Path | None:
    """Let the person pick a usassist project by its project.json; the project's folder, None where they cancel."""
    name, _filter = QFileDialog.getOpenFileName(
        parent, "Open a project", _start(folder), "usassist project (project.json)"
    )
    return Path(name).parent if name else None


def _start(folder: Path | None) -> str:
    return str(folder) if folder is not None and folder.is_dir() else str(Path.home())
