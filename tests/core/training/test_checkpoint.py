import pytest

from usassist.core.errors import TrainingError
from usassist.core.training.checkpoint import CHECKPOINT_FILE, load_checkpoint


def test_a_damaged_checkpoint_is_a_sentence_and_runs_no_code(tmp_path) -> None:
    import pickle

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    (tmp_path / CHECKPOINT_FILE).write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(TrainingError, match="cannot be resumed"):
        load_checkpoint(None, tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "ran").exists()
