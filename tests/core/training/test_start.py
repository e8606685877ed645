"""What a recipe asks for and what the model has that it goes on from."""

import dataclasses
import doctest
import itertools
from pathlib import Path

import pytest

from usassist.core import paths
from usassist.core.errors import ModelError, TrainingError
from usassist.core.models.build import build_model
from usassist.core.models.config import AdapterConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.preprocess import to_tensor
from usassist.core.models.weights import ModelInfo, find_model, save_model
from usassist.core.training import batches, description, loop, start
from usassist.core.training.config import TrainConfig, read_recipe, stated
from usassist.core.training.description import describe_model
from usassist.core.training.rates import parameter_groups
from usassist.core.training.run import train
from usassist.core.training.start import Start

RECIPES = paths.resources() / "recipes"
SHIPPED = "usassist-us"


def _described(config: TrainConfig, info: ModelInfo, *, task: ModelTask = "segment") -> ModelConfig:
    return describe_model(config, Start(model=info), task=task, classes=(), captions=(), provenance={})


def _recipe(*overrides: str, name: str = "usassist-us.toml") -> TrainConfig:
    return read_recipe(RECIPES / name, overrides=[f"start_from={SHIPPED}", *overrides])


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(description).failed == 0


@pytest.mark.parametrize(
    "override",
    [
        "adapter.kind=lora",
        "adapter.kind=full",
        "adapter.kind=none",
        "adapter.variant=hybrid",
        "adapter.placement=stages",
        "adapter.placement=both",
        "adapter.bottleneck=32",
        "adapter.layers=[0]",
    ],
)
@pytest.mark.parametrize("task", ["segment", "classify", "embed"])
def test_P_N7_another_adapter_than_that_of_the_start_is_a_sentence_that_names_both(task, override: str) -> None:
    with pytest.raises(
        TrainingError, match=r"\[adapter\] asks for .* 'usassist-us' to start from has mona \(placement end"
    ):
        _described(_recipe(override), find_model(SHIPPED), task=task)


@pytest.mark.parametrize("override", ["head.kind=unet", "head.widths=[8, 8]"])
def test_another_head_than_that_of_the_start_is_a_sentence_for_the_same_task(override: str) -> None:
    with pytest.raises(TrainingError, match=r"\[head\] asks for .* has promptable \(widths \[96, 64, 48\]\)"):
        _described(_recipe(override), find_model(SHIPPED))


def test_another_task_has_the_recipes_head_on_the_adapters_of_the_start() -> None:
    before = find_model(SHIPPED)
    found = _described(_recipe(name="classify-breast.toml"), before, task="classify")
    assert before.config is not None and (found.adapter, found.head.kind) == (before.config.adapter, "pooled")


@pytest.mark.parametrize("name", ["usassist-us-refine.toml", "usassist-adapt.toml"])
def test_the_shipped_recipes_go_on_from_the_shipped_model(name: str) -> None:
    before = find_model(SHIPPED).config
    found = _described(_recipe(name=name), find_model(SHIPPED))
    assert before is not None and (found.adapter, found.head) == (before.adapter, before.head)


def test_the_published_recipes_go_on_from_contrastive_fine_tuning() -> None:
    published = read_recipe(RECIPES / "nextgen-uia-contrast.toml").adapter
    before = find_model(SHIPPED)
    assert before.config is not None and published is not None
    tuned = dataclasses.replace(before.config, task="embed", adapter=published, head=HeadConfig("none"), name="tuned")
    for name in ("nextgen-uia-segment.toml", "nextgen-uia-classify.toml"):
        config = read_recipe(RECIPES / name, overrides=["encoder.base=", "start_from=tuned"])
        found = _described(config, dataclasses.replace(before, config=tuned))
        assert (found.adapter, found.head) == (published, config.head)


def test_the_recipes_dropout_counts_also_for_a_model_that_is_gone_on_from() -> None:
    found = _described(_recipe("adapter.dropout=0.3", "head.dropout=0.4"), find_model(SHIPPED))
    assert (found.adapter.dropout, found.head.dropout) == (0.3, 0.4)


def test_what_learns_is_what_the_model_has_whatever_the_recipe_says(towers: Path) -> None:
    config = _recipe("trainable=adapters", "adapter.kind=full")
    info = find_model(str(towers))
    assert info.config is not None
    state = loop.new_state(build_model(info.config, folder=towers), config)
    learning = [name for name, p in state.model.named_parameters() if p.requires_grad]
    assert learning and all(".adapter." in name for name in learning)


CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture
def clip_coloured(towers: Path, tmp_path: Path) -> Path:
    """Tiny towers that can be a base, and whose images had CLIP's colours."""
    own = ModelConfig.read(towers)
    colours = PreprocessConfig(32, CLIP_MEAN, CLIP_STD)
    config = dataclasses.replace(own, adapter=AdapterConfig("none"), preprocess=colours)
    save_model(build_model(config, folder=towers), tmp_path / "base", config=config, clip_folder=towers)
    return tmp_path / "base"


def _bare(folder: Path, *colours: str) -> Path:
    """A recipe that states the size of its images, and of their colours what is given."""
    lines = ['name = "m"', 'title = "M"', 'trainable = "adapters"', "epochs = 1", "batch_size = 4", "threads = 1"]
    lines += ["[encoder]", "taps = [0, 1, 2]", "[head]", "widths = [8, 8]", "[preprocess]", "size = 32", *colours]
    path = folder / "bare.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("how", ["encoder.base", "start_from"])
def test_P_N4_colours_that_a_recipe_does_not_state_are_those_of_what_it_starts_from(
    clip_coloured: Path, discs: Path, tmp_path: Path, *, how: str, caplog, monkeypatch
) -> None:
    seen = []
    monkeypatch.setattr(batches, "to_tensor", lambda images, how: seen.append(how) or to_tensor(images, how))
    given = [f'{how}="{clip_coloured}"', *(["adapter.kind=lora"] if how == "encoder.base" else [])]
    result = train(_bare(tmp_path), [discs], tmp_path / "run", task="segment", device="cpu", overrides=given)
    expected = PreprocessConfig(32, CLIP_MEAN, CLIP_STD)
    assert ModelConfig.read(result.folder).preprocess == expected
    assert read_recipe(result.folder / "config.toml").preprocess == expected
    assert seen and set(seen) == {expected}
    assert "[preprocess]" not in caplog.text


def test_P_N4_other_colours_than_those_of_the_base_are_said(clip_coloured: Path, tmp_path: Path) -> None:
    path = _bare(tmp_path, "mean = 0.5")
    config = read_recipe(path, overrides=[f'encoder.base="{clip_coloured}"'])
    begun = start.find_start(config)
    found = start.with_colours(config, begun, stated=stated(path))
    assert found.preprocess == PreprocessConfig(32, (0.5,), CLIP_STD)
    said = start.say_colours(found, begun)
    assert "says mean 0.5, std" in said and "'base' it starts from" in said and "mean 0.4815, 0.4578, 0.4082" in said
    assert start.say_colours(start.with_colours(config, begun, stated=()), begun) == ""
    assert start.with_colours(config, Start(), stated=()) == config
    calm = read_recipe(path, overrides=["preprocess.sharpest=0.2", f'encoder.base="{clip_coloured}"'])
    assert start.with_colours(calm, begun, stated={"preprocess.sharpest"}).preprocess.sharpest == 0.2
    assert start.with_colours(calm, begun, stated=()).preprocess.sharpest == 0.0
    coloured = start.with_colours(calm, begun, stated={"preprocess.sharpest"})
    assert "sharpest 0.2, while" in (said := start.say_colours(coloured, begun)) and "sharpest 0;" in said
    assert "preprocess.std" in stated(path, overrides=["preprocess.std=0.2"]) - stated(path)


@pytest.mark.parametrize(("size", "inherited"), [(32, 0.11), (64, 0.0)])
def test_the_sharpness_of_a_start_says_nothing_about_images_of_another_size(
    clip_coloured: Path, tmp_path: Path, size: int, inherited: float
) -> None:
    path = _bare(tmp_path)
    config = read_recipe(path, overrides=[f'encoder.base="{clip_coloured}"', f"preprocess.size={size}"])
    base = start.find_start(config).base
    assert base is not None and base.config is not None
    calm = dataclasses.replace(base.config, preprocess=dataclasses.replace(base.config.preprocess, sharpest=0.11))
    begun = Start(base=dataclasses.replace(base, config=calm))
    found = start.with_colours(config, begun, stated=stated(path))
    assert found.preprocess == PreprocessConfig(size, CLIP_MEAN, CLIP_STD, inherited)
    assert start.say_colours(found, begun) == ""
    own = dataclasses.replace(config, preprocess=dataclasses.replace(config.preprocess, sharpest=0.3))
    assert start.with_colours(own, begun, stated={"preprocess.sharpest"}).preprocess.sharpest == 0.3


def test_taps_of_another_base_say_what_to_set(clip_coloured: Path, discs: Path, tmp_path: Path) -> None:
    overrides = [f'encoder.base="{clip_coloured}"', "adapter.kind=lora", "head.widths=[8, 8, 8, 8]"]
    with pytest.raises(ModelError, match=r"3 taps need 2 widths, found 4: set head\.widths"):
        train(_bare(tmp_path), [discs], tmp_path / "run", task="segment", device="cpu", overrides=overrides)


def test_trunk_lr_is_the_towers_where_they_start_trained_a_vit_among_them(towers: Path) -> None:
    info = find_model(str(towers))
    assert info.config is not None
    rates = _rates(build_model(info.config, folder=towers), _recipe("lr=1e-3", "trunk_lr=1e-5"))
    assert {rate for name, rate in rates.items() if ".adapter." in name} == {1e-3}
    assert {rate for name, rate in rates.items() if ".adapter." not in name} == {1e-5}


def test_trunk_lr_is_the_stages_where_only_imagenet_taught_them() -> None:
    shipped = find_model(SHIPPED)
    assert shipped.config is not None
    model = build_model(shipped.config, folder=shipped.folder)
    rates = _rates(model, _recipe("start_from=", "lr=1e-3", "trunk_lr=1e-5"))
    slow = {name for name, rate in rates.items() if rate == 1e-5}
    assert slow == {name for name in rates if ".stages." in name}
    assert {rate for name, rate in rates.items() if "trunk.blocks." in name} == {1e-3}
    going_on = _rates(model, _recipe("lr=1e-3", "trunk_lr=1e-5"))
    slow = {name for name, rate in going_on.items() if rate == 1e-5}
    assert slow == {name for name in rates if name.startswith("encoder.clip.") and ".adapter." not in name}


def _rates(model, config: TrainConfig) -> dict[str, float]:
    groups = parameter_groups(model, config)
    by_id = {
        id(p): rate for p, rate in itertools.chain.from_iterable(((p, g["lr"]) for p in g["params"]) for g in groups)
    }
    return {name: by_id[id(p)] for name, p in model.named_parameters()}


def test_P_N3_what_adapter_a_run_has_is_said_where_its_recipe_does_not() -> None:
    shipped = find_model(SHIPPED)
    going_on = start.Start(model=shipped)
    config = dataclasses.replace(shipped.config, adapter=AdapterConfig("none"))
    none, frozen = (description.say_adapter(config, going_on, trainable=what) for what in ("all", "adapters"))
    assert none.startswith("No adapter: the recipe has no [adapter] section")
    assert none.endswith("the towers learn as they are.") and frozen.endswith("only the head learns.")
    assert "goes on from has mona (" in description.say_adapter(shipped.config, going_on, trainable="adapters")
    assert "the default is mona (" in description.say_adapter(shipped.config, start.Start(), trainable="all")
