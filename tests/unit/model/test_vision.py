from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from farfield_kernel.errors import FailedPrecondition
from farfield_model.images import ImageFile
from farfield_model.vision import Vision

MakePng = Callable[..., bytes]


def test_features_do_not_depend_on_their_company(seeing: tuple[Any, Any], make_png: MakePng) -> None:
    module, processor = seeing
    vision = Vision(processor, module)
    pictures = [vision.prepare(ImageFile.of(make_png(seed, 56 + 28 * (seed % 2)))) for seed in range(4)]
    together = vision.features(module, pictures)
    for picture, features in zip(pictures, together, strict=True):
        (alone,) = vision.features(module, [picture], alone=True)
        assert features.shape == (picture.tokens, 32)
        torch.testing.assert_close(features, alone, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], together[2])


def test_the_tower_learns(seeing: tuple[Any, Any], make_png: MakePng) -> None:
    module, processor = seeing
    vision = Vision(processor, module)
    (features,) = vision.features(module, [vision.prepare(ImageFile.of(make_png(1)))])
    features.sum().backward()
    seen = [name for name, weight in module.named_parameters() if weight.grad is not None]
    assert any("vision" in name or "visual" in name for name in seen)
    module.zero_grad()


def test_a_model_that_mixes_otherwise_is_refused(seeing: tuple[Any, Any]) -> None:
    """Here the model's own pass looks at the image twice as brightly as its tower does."""
    module, processor = seeing
    tower = module.get_image_features

    def brighter(**inputs: Any) -> Any:
        out = tower(**inputs)
        out.pooler_output = [2 * part for part in out.pooler_output]
        return out

    module.get_image_features = brighter
    try:
        with pytest.raises(FailedPrecondition, match="not served"):
            Vision(processor, module)
    finally:
        del module.get_image_features


def test_a_model_without_a_tower_is_refused(seeing: tuple[Any, Any]) -> None:
    module, processor = seeing

    def absent(**inputs: Any) -> Any:
        raise AttributeError("no tower")

    module.get_image_features = absent
    try:
        with pytest.raises(FailedPrecondition, match="cannot be taken apart"):
            Vision(processor, module)
    finally:
        del module.get_image_features


@pytest.mark.parametrize(("name", "axes"), [("tiles", 1), ("smolvlm", 1), ("internvl", 1), ("qwen2_5_vl", 3)])
def test_parts_agree_with_the_whole(
    vision_models: ModuleType, make_word_tokenizer: Callable[[], Any], make_png: MakePng, name: str, axes: int
) -> None:
    module, processor = vision_models.ALSO_SERVED[name](make_word_tokenizer())
    vision = Vision(processor, module)  # refuses where they do not
    picture = vision.prepare(ImageFile.of(make_png(1)))
    (features,) = vision.features(module, [picture])
    assert (vision.axes, features.shape) == (axes, (picture.tokens, 32))


def test_features_in_deeper_layers_are_found_out(
    vision_models: ModuleType, make_word_tokenizer: Callable[[], Any]
) -> None:
    module, processor = vision_models.qwen3_vl(make_word_tokenizer())
    with pytest.raises(FailedPrecondition, match="qwen3_vl mixes images and text in a way"):
        Vision(processor, module)
