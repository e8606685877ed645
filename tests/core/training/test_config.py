import tomllib

import pytest

from usassist.core import paths
from usassist.core.errors import TrainingError
from usassist.core.training.config import read_recipe, to_toml, with_seed

RECIPES = sorted((paths.resources() / "recipes").glob("*.toml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_reads_and_survives_a_round_trip(recipe, tmp_path) -> None:
    config = read_recipe(recipe)
    (tmp_path / "again.toml").write_text(to_toml(config))
    assert read_recipe(tmp_path / "again.toml") == config


def test_overrides_reach_sections_and_keep_types(tmp_path) -> None:
    config = read_recipe(RECIPES[0], overrides=["epochs=3", "augment.flip=0", "trainable=adapters", "head.widths=[8]"])
    assert (config.epochs, config.augment.flip, config.trainable, config.head.widths) == (3, 0, "adapters", (8,))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "key=value"),
        ("ecophs=3", "unknown keys ecophs"),
        ("epochs.x=3", "not a section"),
        ("epochs=0", "at least 1"),
    ],
)
def test_a_wrong_override_is_a_sentence(override: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_recipe(RECIPES[0], overrides=[override])


def test_broken_toml_and_missing_files_are_sentences(tmp_path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(TrainingError, match="not valid TOML"):
        read_recipe(tmp_path / "broken.toml")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_recipe(tmp_path / "missing.toml")


def test_strings_are_quoted(tmp_path) -> None:
    config = read_recipe(RECIPES[0], overrides=['title="a \\"quoted\\" title"'])
    assert tomllib.loads(to_toml(config))["title"] == 'a "quoted" title'
    assert with_seed(config, 4).seed == 4
