"""A usassist project: what its readers accepted."""

from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.layouts.layout import Layout
from usassist.core.data.project_examples import project_examples
from usassist.core.project.store import is_project


def examples(path: Path) -> list[Example]:
    """List the accepted frames with the project's first object. Raises ProjectError and TrainingError."""
    return project_examples(path)


SPEC = Layout(name="project", expected="a usassist project", recognises=is_project, examples=examples)
