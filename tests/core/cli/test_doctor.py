"""`usassist doctor` looks at everything usassist needs and says what is missing."""

import importlib.metadata
import json

import pytest

from usassist.core.cli import doctor
from usassist.core.cli.main import main


def test_it_names_versions_codecs_device_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    groups = {finding["group"] for finding in document["findings"]}
    assert {"system", "DICOM codecs", "device", "models", "folders", "packages for the model"} <= groups
    assert document["ok"] == (status == 0) == (not document["missing"])
    assert not [name for name in document["missing"] if not name.startswith("models")]


def test_a_package_that_is_missing_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "timm":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    assert main(["doctor"]) == 1
    assert "missing timm" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_args: False)
    yours = next(finding for finding in doctor._folders() if finding.name == "yours")
    assert yours.mark == "missing"
    assert "USASSIST_HOME" in yours.value
