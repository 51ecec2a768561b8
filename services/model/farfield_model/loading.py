"""Models from folders in Hugging Face format."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)
from transformers.utils import logging as transformers_logging

from farfield_kernel.adapters import base_folder, is_adapter
from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_model.adapter_files import merge, put_beside


def load_module(
    path: str | Path,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "sdpa",
    base: Path | None = None,
) -> Any:
    """The causal or vision-language model in a folder (or, given as text, of a hub name). Of an adapter the
    model below with it: added to float32 weights, beside others. `base`: where that model may be too.
    NotFound where there is none, FailedPrecondition for one of another kind."""
    if is_adapter(Path(path)):
        return _adapted(Path(path), base_folder(Path(path), base), dtype, device, attention)
    transformers_logging.disable_progress_bar()
    local = isinstance(path, Path) or Path(path).is_dir()
    if local and not (Path(path) / "config.json").is_file():
        raise NotFound(f"no model can be loaded from '{path}': it has no config.json")
    try:
        kind = AutoModelForImageTextToText if sees_images(path) else AutoModelForCausalLM
        module: Any = kind.from_pretrained(path, dtype=getattr(torch, dtype), attn_implementation=attention)
    except OSError as error:
        raise NotFound(f"no model can be loaded from '{path}': {error}") from error
    except ValueError as error:
        raise FailedPrecondition(f"'{path}' holds no language model that loads: {error}") from error
    return module.to(device)


def _adapted(path: Path, below: Path, dtype: str, device: str, attention: str) -> Any:
    """Of a chain of adapters all but the last are added up in float32."""
    module = load_module(below, "float32" if is_adapter(below) else dtype, device, attention)
    module = module.to(getattr(torch, dtype))
    (merge if dtype == "float32" else put_beside)(module, path)
    return module


def sees_images(path: str | Path) -> bool:
    """Whether the model in a folder takes images beside text."""
    config = AutoConfig.from_pretrained(path)
    return hasattr(config, "vision_config") and type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
