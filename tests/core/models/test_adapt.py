import copy
from typing import get_args, get_type_hints

import pytest
import torch
from torch import nn

from tests.core.models.towers import (
    TRANSFORMERS,
    Model,
    Trunk,
    context_trunk,
    described,
    images,
    open_clip,
    open_clip_vit,
    timm,
    wake,
)
from usassist.core.errors import ModelError
from usassist.core.models import adapt
from usassist.core.models.config import AdapterConfig
from usassist.core.models.mona import Mona
from usassist.core.models.trunks import TRUNKS

HINTS = get_type_hints(AdapterConfig)
VARIANTS = get_args(HINTS["variant"])
KINDS = get_args(HINTS["kind"])
BOTH = AdapterConfig(placement="both", bottleneck=8)


def monas(module: nn.Module) -> list[str]:
    return [name for name, child in module.named_modules() if isinstance(child, Mona)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("placement", "shared"), [("both", False), ("both", True), ("end", False)])
@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_N3_P_N5_fresh_adapters_leave_the_encoder_unchanged(layout, placement, shared, variant) -> None:
    tower, x = TRANSFORMERS[layout](), images()
    before = tower(x)
    config = AdapterConfig(placement=placement, shared=shared, variant=variant, bottleneck=8)
    count = adapt.insert(tower, config)
    assert len(monas(tower)) == (2 if placement == "both" and not shared else 1) * count > 0
    assert torch.allclose(tower.eval()(x), before, atol=1e-6)
    wake(tower)
    assert not torch.allclose(tower(x), before, atol=1e-3)


def test_P_N3_every_choice_of_the_configuration_is_built() -> None:
    """No option without code: each kind, placement, variant and layer choice gives a tower that starts unchanged."""
    x = images()
    for kind in KINDS:
        for placement in get_args(HINTS["placement"]):
            for variant in VARIANTS:
                tower = context_trunk()
                before = tower(x)
                adapt.insert(tower, AdapterConfig(kind, placement, variant, bottleneck=8, layers=(1,)))
                assert torch.allclose(tower.eval()(x), before, atol=1e-6), (kind, placement, variant)


@pytest.mark.parametrize("placement", ["both", "end"])
@pytest.mark.parametrize("layout", ["open_clip", "open_clip, tokens first", "timm"])
def test_N3_P_N1_the_class_token_is_never_doubled(layout, placement) -> None:
    """Blocks that do nothing leave the class token as it was, through every adapter, while the patches change."""
    tower = TRANSFORMERS[layout]()
    blocks = tower.transformer.resblocks if hasattr(tower, "transformer") else tower.trunk.blocks
    for block in blocks:
        for name, parameter in block.named_parameters():
            if name.startswith(("attn.out_proj", "attn.proj", "mlp.c_proj", "mlp.fc2")):
                nn.init.zeros_(parameter)
    adapt.insert(tower, AdapterConfig(placement=placement, bottleneck=8))
    wake(tower)
    x = torch.randn(2, 17, 32)
    run = x if "first" not in layout else x.transpose(0, 1)
    for block in tower.transformer.resblocks if hasattr(tower, "transformer") else tower.trunk.blocks:
        run = block(run)
    out = run if "first" not in layout else run.transpose(0, 1)
    assert torch.equal(out[:, 0], x[:, 0])
    assert not torch.allclose(out[:, 1:], x[:, 1:], atol=1e-3)


@pytest.mark.parametrize("config", [BOTH, AdapterConfig(kind="lora"), AdapterConfig(placement="end", layers=(0, 2))])
def test_N3_only_adapters_get_gradients_and_the_backbone_keeps_every_byte(config) -> None:
    model = Model(config)
    adapt.select_trainable(model, config, trainable="adapters")
    own = adapt.owned_names(model, described(config, base="somewhere"))
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        adapt.training_mode(model)
        optimiser.zero_grad()
        model(images()).square().sum().backward()
        optimiser.step()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == own
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed <= own
    assert any(name.startswith("encoder.") for name in changed)


def test_N6_a_file_of_what_is_owned_restores_the_model_on_its_base() -> None:
    for config in (BOTH, AdapterConfig(kind="lora"), AdapterConfig(kind="full", layers=(1,)), AdapterConfig("none")):
        model = Model(config)
        wake(model)
        for path in ("encoder.clip.visual.transformer.resblocks.1", "head"):
            for parameter in model.get_submodule(path).parameters() if config.kind in ("full", "none") else ():
                if config.kind == "full" or path == "head":
                    nn.init.normal_(parameter, std=0.1)
        own = adapt.owned_names(model, described(config, base="somewhere"))
        kept = {name: tensor.clone() for name, tensor in model.state_dict().items() if name in own}
        fresh = Model(config)  # the same random base
        found = fresh.load_state_dict(kept, strict=False)
        assert not found.unexpected_keys
        assert set(found.missing_keys) == fresh.state_dict().keys() - own
        assert torch.equal(fresh(images()), model(images())), config.kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BOTH, AdapterConfig(placement="end", bottleneck=8)),
        (BOTH, AdapterConfig(placement="both", bottleneck=8, shared=True)),
        (AdapterConfig(placement="both", bottleneck=8, shared=True), AdapterConfig(placement="end", bottleneck=8)),
        *((BOTH, AdapterConfig(placement="both", bottleneck=8, variant=v)) for v in VARIANTS[1:]),
        (AdapterConfig(kind="lora", rank=4), AdapterConfig(kind="lora", rank=8)),
        (AdapterConfig(kind="lora"), BOTH),
        (BOTH, AdapterConfig(placement="both", bottleneck=16)),
        (BOTH, AdapterConfig(placement="both", bottleneck=8, layers=(0,))),
    ],
)
def test_N6_files_of_another_adapter_differ_in_names_or_shapes(one, other) -> None:
    """So that loading, which compares both, refuses them."""
    mine, theirs = (
        {n: t.shape for n, t in model.state_dict().items() if n in adapt.owned_names(model, described(c, base="b"))}
        for c, model in ((one, Model(one)), (other, Model(other)))
    )
    assert mine != theirs


def test_P_N7_owned_are_adapters_of_any_kind_and_the_head() -> None:
    model = Model(AdapterConfig(kind="lora"))
    own = adapt.owned_names(model, described(AdapterConfig(kind="lora"), base="somewhere"))
    assert {name for name in own if not name.startswith("encoder.")} == {"head.weight", "head.bias"}
    assert len([name for name in own if name.startswith("encoder.")]) == 3 * 4 * 2
    assert all(".visual." in name and ".parts." in name for name in own if name.startswith("encoder."))
    assert adapt.owned_names(model, described(AdapterConfig(kind="lora"))) == set(model.state_dict())


def test_P_N11_no_adapter_stands_in_the_text_tower() -> None:
    for config in (BOTH, AdapterConfig(kind="lora"), AdapterConfig(kind="full")):
        model = Model(config)
        assert not [n for n in model.state_dict() if ("adapter" in n or "parts" in n) and ".visual." not in n]
        adapt.select_trainable(model, config, trainable="adapters")
        learning = {name for name, p in model.named_parameters() if p.requires_grad}
        assert all(".visual." in name or name.startswith("head") for name in learning)


def test_N5_full_fine_tuning_unfreezes_the_chosen_blocks() -> None:
    config = AdapterConfig(kind="full", layers=(0, 2))
    model = Model(config)
    adapt.select_trainable(model, config, trainable="adapters")
    learning = {
        n.split("resblocks.")[-1][0] for n, p in model.named_parameters() if p.requires_grad and "head" not in n
    }
    assert learning == {"0", "2"}
    adapt.select_trainable(model, AdapterConfig(kind="full"), trainable="adapters")
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith("encoder.") and ".visual." not in n}
    adapt.select_trainable(model, config, trainable="all")
    assert all(p.requires_grad for p in model.parameters())


def test_frozen_statistics_and_dropout_stay_as_at_work() -> None:
    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Module()
            self.encoder.clip = nn.Module()
            self.encoder.clip.visual = context_trunk()
            self.encoder.clip.visual.bare = nn.BatchNorm1d(2, affine=False)
            self.encoder.clip.text = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
            self.head = nn.Sequential(nn.BatchNorm1d(32), nn.Linear(32, 1))
            adapt.insert(self.encoder.clip.visual, AdapterConfig(placement="stages", bottleneck=8))

    model = Convolutional()
    adapt.select_trainable(model, AdapterConfig(placement="stages"), trainable="adapters")
    adapt.training_mode(model)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.head(model.encoder.clip.visual(images()))
    moved = {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved == {"head.0.running_mean", "head.0.running_var", "head.0.num_batches_tracked"}
    assert not model.encoder.clip.text[1].training
    assert not model.encoder.clip.visual.bare.training
    assert all(m.dropout.training for m in model.modules() if isinstance(m, Mona))
    adapt.select_trainable(model, AdapterConfig(placement="stages"), trainable="all")
    adapt.training_mode(model)
    assert model.encoder.clip.text[1].training


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (context_trunk, 5),
        (lambda: Trunk(timm.create_model("resnet18")), 5),
        (lambda: timm.create_model("convnext_atto"), 4),
        (lambda: open_clip.modified_resnet.ModifiedResNet([1, 1, 1, 1], 16, 4, image_size=32, width=8), 4),
        (
            lambda: Trunk(
                timm.models.swin_transformer.SwinTransformer(
                    32, 4, embed_dim=16, depths=(1, 1), num_heads=(1, 1), window_size=4
                )
            ),
            2,
        ),
    ],
    ids=["ours", "resnet18", "convnext", "open_clip's resnet", "swin"],
)
def test_convolutional_trunks_are_adapted_behind_their_stages(make, count) -> None:
    torch.manual_seed(0)
    tower, x = make().eval(), images()
    before = tower(x)
    assert adapt.insert(tower, AdapterConfig(placement="stages", bottleneck=8)) == count
    assert torch.allclose(tower.eval()(x), before, atol=1e-6)
    wake(tower)
    assert not torch.allclose(tower(x), before, atol=1e-5)


@pytest.mark.parametrize("name", ["usassist_unet_16", "usassist_resnet18"])
def test_our_plain_trunks_are_adapted_behind_their_stages(name) -> None:
    trunk, x = TRUNKS[name]().eval(), images()
    before = trunk.forward_intermediates(x)[1]
    assert adapt.insert(Trunk(trunk), AdapterConfig(placement="stages", bottleneck=8, layers=(0, 3))) == 2
    after = trunk.eval().forward_intermediates(x)[1]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))
    assert [m.split(".")[-2] for m in monas(trunk)] == ["0", "3"]


def test_layers_choose_blocks() -> None:
    tower = open_clip_vit()
    assert adapt.insert(tower, AdapterConfig(layers=(2, 0))) == 2
    assert monas(tower) == [f"transformer.resblocks.{n}.adapter" for n in (0, 2)]


def test_the_shipped_models_names_stay() -> None:
    tower = context_trunk()
    adapt.insert(tower, AdapterConfig())
    names = {name for name in tower.state_dict() if ".blocks.0." in name and name.startswith("trunk.blocks")}
    assert {name.split(".")[3] for name in names} == {"block", "adapter"}


@pytest.mark.parametrize(
    ("make", "config", "words"),
    [
        (open_clip_vit, AdapterConfig(layers=(3,)), r"\[3\], but the image tower has 3 transformer blocks"),
        (open_clip_vit, AdapterConfig(kind="lora", layers=(9,)), "has 3 transformer blocks"),
        (open_clip_vit, AdapterConfig(kind="full", layers=(9,)), "has 3 transformer blocks"),
        (context_trunk, AdapterConfig(placement="stages", layers=(5,)), "has 5 stages"),
        (open_clip_vit, AdapterConfig(placement="stages"), "gives no maps to adapt"),
        (TRANSFORMERS["timm"], AdapterConfig(placement="stages"), "gives no maps to adapt"),
        (lambda: nn.Linear(2, 2), AdapterConfig(), "no transformer blocks"),
        (lambda: Trunk(timm.create_model("tf_efficientnet_lite0")), AdapterConfig(), "no transformer blocks"),
        (lambda: nn.Linear(2, 2), AdapterConfig(kind="lora"), "no transformer blocks"),
    ],
)
def test_a_place_that_is_not_there_is_a_sentence(make, config, words) -> None:
    with pytest.raises(ModelError, match=words):
        adapt.insert(make(), config)


def test_a_block_whose_inside_is_unknown_takes_adapters_at_its_end_only() -> None:
    vit = open_clip.model.VisionTransformer(
        image_size=32, patch_size=8, width=32, layers=2, heads=2, mlp_ratio=2, output_dim=16, scale_attn=True
    ).eval()
    with pytest.raises(ModelError, match="choose the placement 'end'"):
        adapt.insert(vit, BOTH)
    x = images()
    before = vit(x)
    assert adapt.insert(vit, AdapterConfig()) == 2
    assert torch.allclose(vit.eval()(x), before, atol=1e-6)
