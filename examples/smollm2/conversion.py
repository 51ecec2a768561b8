"""From a GGUF file to a folder that has passed the checks."""

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from smollm2 import check
from smollm2.vocabulary import tokenizer_of
from smollm2.weights import config_of, tensors


def convert(file: Path, output: Path, dtype: str) -> None:
    """Writes aside, and moves into place what is right."""
    reader = GGUFReader(file)
    module, tokenizer = module_of(reader), tokenizer_of(reader)
    print(f"{file.name}: {sum(item.numel() for item in module.parameters()):,} parameters", flush=True)
    print(f"quantisation moved the layers' weights by about {check.rounding_of(reader):.1%} of their size")
    _check(module, tokenizer, file, dtype)
    aside = output.with_name(output.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    module.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    shutil.rmtree(output, ignore_errors=True)
    aside.rename(output)
    print(f"in {output}")


def module_of(reader: GGUFReader) -> Any:
    config = config_of(reader)
    module = LlamaForCausalLM(config).eval()
    missing = module.load_state_dict(dict(tensors(reader, config)), strict=False).missing_keys
    if missing and not config.tie_word_embeddings:
        sys.exit(f"the file lacks {', '.join(missing)}")
    module.tie_weights()
    module.generation_config = GenerationConfig.from_model_config(config)
    return module


def _check(module: Any, tokenizer: PreTrainedTokenizerFast, file: Path, dtype: str) -> None:
    """Leaves the module in `dtype`."""
    ids = tokenizer(check.PASSAGE, return_tensors="pt")["input_ids"]
    _demand("logits against those of transformers", check.difference(module, file, ids), check.TOLERANCE)
    _demand("nats a token of English", check.nats(module, ids), check.DULLEST)
    module.to(getattr(torch, dtype))
    _demand(f"nats a token in {dtype}", check.nats(module, ids), check.DULLEST)
    said = check.answer(module, tokenizer)
    print(f"{check.QUESTION!r} -> {said!r}")
    if check.ANSWER not in said:
        sys.exit(f"it should have said {check.ANSWER}")


def _demand(what: str, found: float, most: float) -> None:
    print(f"{what}: {found:.4g} (at most {most:g})", flush=True)
    if not found <= most:
        sys.exit("the conversion is wrong")
