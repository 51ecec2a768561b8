from pathlib import Path

import pytest

from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_model.loading import load_module, sees_images
from farfield_model.tokenizing import load_processor


def test_what_is_missing_is_said(tmp_path: Path, vision_checkpoint: Path) -> None:
    with pytest.raises(NotFound, match=r"no config\.json"):
        load_module(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FailedPrecondition, match="no language model"):
        load_module(tmp_path)
    (tmp_path / "config.json").write_bytes((vision_checkpoint / "config.json").read_bytes())
    with pytest.raises(FailedPrecondition, match="no processor"):
        load_processor(tmp_path)


def test_models_with_eyes_are_told_by_their_config(vision_checkpoint: Path) -> None:
    assert sees_images(vision_checkpoint)
    assert load_module(vision_checkpoint).config.model_type == "idefics3"
