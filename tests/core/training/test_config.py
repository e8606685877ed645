import dataclasses
import tomllib

import pytest

from usassist.core import paths
from usassist.core.errors import TrainingError
from usassist.core.models.config import AdapterConfig, HeadConfig
from usassist.core.training.config import read_recipe, stated, to_toml

RECIPES = sorted((paths.resources() / "recipes").rglob("*.toml"))
PLAIN = paths.resources() / "recipes" / "usassist-us.toml"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_reads_and_survives_a_round_trip(recipe, tmp_path) -> None:
    config = read_recipe(recipe)
    (tmp_path / "again.toml").write_text(to_toml(config))
    assert read_recipe(tmp_path / "again.toml") == config


def test_a_section_that_was_not_given_is_none_and_stays_so_in_the_runs_own_recipe(tmp_path) -> None:
    bare = tmp_path / "bare.toml"
    bare.write_text('name = "bare"\ntitle = "Bare"\n')
    config = read_recipe(bare)
    assert config.adapter is None and config.head is None
    bare.write_text(to_toml(config))
    assert read_recipe(bare) == config
    given = read_recipe(bare, overrides=["adapter.kind=lora", "head.kind=pooled"])
    assert given.adapter == AdapterConfig("lora") and given.head == HeadConfig("pooled")
    for wrong in ("adapter=3", "adapter.kind=lara", "adapter.rank=8"):
        with pytest.raises(TrainingError, match="adapter"):
            read_recipe(bare, overrides=[wrong])


def test_overrides_reach_sections_and_keep_types(tmp_path) -> None:
    config = read_recipe(PLAIN, overrides=["epochs=3", "augment.flip=0", "trainable=adapters", "head.widths=[8]"])
    assert (config.epochs, config.augment.flip, config.trainable, config.head.widths) == (3, 0, "adapters", (8,))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "key=value"),
        ("ecophs=3", "unknown keys ecophs"),
        ("epochs.x=3", "not a section"),
        ("epochs=0", "epochs must be between 1"),
        ("epochs=many", "epochs must be a whole number"),
        ("batch_size=1", "batch_size must be between 2"),
        ("lr=nan", "finite"),
        ("trainable=al", "one of all, adapters"),
        ("split.near_duplicates=maybe", "one of join, drop, off"),
        ("augment=3", "augment is a section"),
        ("head.widths=[8.5]", "whole number"),
        ("accumulate=0", "accumulate must be between 1"),
        ("betas=[0.9]", "the number of betas must be between 2"),
        ("betas=[0.9, 1.5]", "betas must be between 0"),
        ("validate_every=0", "validate_every must be between 1"),
        ("precision=fp16", "one of fp32, bf16"),
        ("loss.focal=-1", "loss.focal must be between 0"),
        ("loss.dice_denominator=cubed", "one of plain, squared"),
        ("balance.size_power=9", "balance.size_power must be between 0"),
        ("few_shot.ratio=2", "few_shot.ratio must be between 0"),
        ("prompts.wrong=0.9", "prompts.without"),
        ('balance.class_draws={normal="twice"}', "class_draws, normal must be a finite number, found 'twice'"),
        ("balance.class_draws={normal=-1.0}", "balance.class_draws.normal must be between 0"),
        ("clicks.from_answer=-0.5", "clicks.from_answer must be between 0 and 1"),
        ("clicks.from_blank=0.9", "clicks.from_answer . from_blank . from_mask must be between 0 and 1"),
        ("early_size=16", "early_size, where it is not 0, must be between 32 and 2048"),
        ("early_size=-32", "early_size, where it is not 0, must be between 32 and 2048"),
        ("target=unicorn", "no target 'unicorn'"),
    ],
)
def test_a_wrong_override_is_a_sentence(override: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_recipe(PLAIN, overrides=[override])


def test_broken_toml_and_missing_files_are_sentences(tmp_path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(TrainingError, match="not valid TOML"):
        read_recipe(tmp_path / "broken.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "gr\xf6\xdfer"')
    with pytest.raises(TrainingError, match="not valid TOML"):
        read_recipe(tmp_path / "latin.toml")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_recipe(tmp_path / "missing.toml")


@pytest.mark.parametrize("title", ['a "quoted" title', "back\\slash", "two\nlines\tand a tab", "größer ✓", "\x7f\x00"])
def test_any_title_survives_a_round_trip(title: str) -> None:
    config = dataclasses.replace(read_recipe(PLAIN), title=title)
    assert tomllib.loads(to_toml(config))["title"] == title


def test_adapting_the_shipped_model_teaches_no_mask_to_be_empty_and_takes_its_colours() -> None:
    path = paths.resources() / "recipes" / "usassist-adapt.toml"
    assert read_recipe(path).loss.empty == 0
    assert not stated(path) & {"preprocess.mean", "preprocess.std", "preprocess.sharpest"}


def test_adapting_the_shipped_model_does_not_teach_it_to_look_for_marks_again() -> None:
    augment = read_recipe(paths.resources() / "recipes" / "usassist-adapt.toml").augment
    assert min(augment.unmark, augment.calipers, augment.text) > 0


def test_the_last_epoch_is_kept_only_where_nothing_stops_before_it() -> None:
    assert read_recipe(PLAIN, overrides=["keep=last", "patience=0"]).keep == "last"
    with pytest.raises(TrainingError, match="set patience = 0"):
        read_recipe(PLAIN, overrides=["keep=last", "patience=3"])
    with pytest.raises(TrainingError, match="keep"):
        read_recipe(PLAIN, overrides=["keep=first"])
