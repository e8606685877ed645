"""The recipes that are compared stand on a base that another recipe makes."""

import shutil

import pytest

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models.adding import add_model
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.weights import save_model
from usassist.core.training.config import read_recipe
from usassist.core.training.description import describe_model
from usassist.core.training.offers import segmentation_recipes
from usassist.core.training.start import find_start

RECIPES = paths.resources() / "recipes"
COMPARED = sorted((RECIPES / "compare").glob("*.toml"))
ON_A_BASE = [path for path in COMPARED if read_recipe(path).encoder.base]


def test_every_base_of_the_compared_recipes_has_a_recipe_of_its_own() -> None:
    assert {path.stem for path in COMPARED} - {path.stem for path in ON_A_BASE} == {"unet", "resnet18"}
    for path in ON_A_BASE:
        assert (RECIPES / "bases" / f"{read_recipe(path).encoder.base}.toml").is_file()


def test_the_base_has_no_adapter_and_is_small() -> None:
    base = read_recipe(RECIPES / "bases" / "lite0-us.toml")
    assert base.adapter is not None
    assert (base.name, base.adapter.kind, base.preprocess.size, base.epochs) == ("lite0-us", "none", 160, 14)


def test_a_base_is_not_among_the_recipes_that_the_window_offers() -> None:
    assert "lite0-us" not in [offer.path.stem for offer in segmentation_recipes()]


@pytest.mark.parametrize("path", ON_A_BASE, ids=lambda path: path.stem)
def test_a_base_that_was_not_made_says_how_it_is_added(path) -> None:
    with pytest.raises(
        ModelError, match=r"base 'lite0-us' is not .*bases here are: none\. .*models add .*--name lite0-us"
    ):
        find_start(read_recipe(path))


@pytest.mark.parametrize("path", ON_A_BASE, ids=lambda path: path.stem)
def test_the_base_fits_each_recipe_that_names_it(path, tmp_path) -> None:
    recipe = read_recipe(RECIPES / "bases" / "lite0-us.toml")
    config = ModelConfig(
        *(recipe.name, recipe.title, EncoderConfig(recipe.encoder.open_clip, recipe.encoder.taps, (320, 518))),
        adapter=recipe.adapter,
        head=HeadConfig("film_skip", widths=(8, 8, 8, 8)),
        preprocess=PreprocessConfig(recipe.preprocess.size),
    )
    save_model(build_segmenter(config), tmp_path / "run", config=config)
    info = add_model(tmp_path / "run")
    compared = read_recipe(path)
    start = find_start(compared)
    description = describe_model(compared, start, task="segment", classes=(), captions=(), provenance={})
    assert description.encoder.base_hash == info.weights_hash
    build_segmenter(description)
    shutil.rmtree(info.folder)
