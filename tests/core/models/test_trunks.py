import json

import pytest
import torch

from usassist.core import paths
from usassist.core.models import torchvision_ops
from usassist.core.models.trunks import TRUNKS, register_with_timm
from usassist.core.models.unet import UNetTrunk


def test_every_shipped_configuration_of_ours_names_one() -> None:
    found = [json.loads(path.read_text()) for path in (paths.resources() / "encoders").glob("usassist-*.json")]
    assert {settings["vision_cfg"]["timm_model_name"] for settings in found} <= TRUNKS.keys()


@pytest.mark.parametrize("name", TRUNKS)
def test_each_says_its_maps(name) -> None:
    trunk = TRUNKS[name]().eval()
    with torch.no_grad():
        deepest, maps = trunk.forward_intermediates(torch.zeros(1, 3, 64, 64))
    assert tuple(level.shape[1] for level in maps) == trunk.channels
    assert trunk.forward_head(deepest).shape == (1, trunk.num_features)


def test_timm_builds_them_too_once_they_are_registered() -> None:
    torchvision_ops.prepare()
    import timm

    register_with_timm()
    register_with_timm()
    trunk = timm.create_model("usassist_unet_16", pretrained=False)
    assert isinstance(trunk, UNetTrunk) and trunk.channels[0] == 16
    assert {type(timm.create_model(name)) for name in TRUNKS} == {type(make()) for make in TRUNKS.values()}
