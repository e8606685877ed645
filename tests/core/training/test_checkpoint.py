import pytest
import torch

from usassist.core.errors import TrainingError
from usassist.core.training.checkpoint import CHECKPOINT_FILE, read_checkpoint


def test_a_damaged_checkpoint_is_a_sentence_and_runs_no_code(tmp_path) -> None:
    import pickle

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    (tmp_path / CHECKPOINT_FILE).write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(TrainingError, match="cannot be resumed"):
        read_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing"])
def test_an_empty_or_cut_checkpoint_is_a_sentence(tmp_path, content: bytes) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match="cannot be resumed"):
        read_checkpoint(tmp_path)


def test_a_file_of_something_else_is_a_sentence(tmp_path) -> None:
    torch.save([1, 2], tmp_path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="cannot be resumed"):
        read_checkpoint(tmp_path)


def test_a_run_without_a_finished_epoch_says_so(tmp_path) -> None:
    with pytest.raises(TrainingError, match="no epoch was finished"):
        read_checkpoint(tmp_path)
