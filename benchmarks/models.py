"""The models that benchmarks run: random Llamas of a few sizes, and SmolLM2-135M where it was converted."""

import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.places import EXAMPLES

SMOLLM2 = EXAMPLES / "smollm2" / "checkpoint"
SHAPES = {
    "1M": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4},
    "1.1M": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 5, "num_attention_heads": 4},
    "10M": {"hidden_size": 320, "intermediate_size": 896, "num_hidden_layers": 8, "num_attention_heads": 8},
    "1B": {
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
    },
}
SIZES = (*SHAPES, "SmolLM2-135M")


def random_llama(**shape: int) -> LlamaForCausalLM:
    """Always the same weights; generation ends at no token."""
    torch.manual_seed(0)
    common = {"vocab_size": 512, "max_position_embeddings": 512, "tie_word_embeddings": True}
    module = LlamaForCausalLM(LlamaConfig(**(common | shape))).eval()
    module.generation_config.eos_token_id = None
    module.generation_config.pad_token_id = 0
    return module


def build(size: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    if size in SHAPES:
        return random_llama(**SHAPES[size]).to(device, dtype)
    module = LlamaForCausalLM.from_pretrained(converted(), dtype=dtype).to(device).eval()
    module.generation_config.eos_token_id = None
    module.generation_config.pad_token_id = 0
    return module


def checkpoint(folder: Path, size: str = "1.1M") -> Path:
    """The folder of a model in Hugging Face format, with a tokenizer."""
    if size not in SHAPES:
        return Path(shutil.copytree(converted(), folder, dirs_exist_ok=True))
    return write(folder, SHAPES[size])


def write(folder: Path, shape: dict[str, int]) -> Path:
    module = random_llama(**shape)
    words = {f"w{index}": index for index in range(module.config.vocab_size)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="w0")), eos_token="w1", pad_token="w0"
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    module.save_pretrained(folder)
    return folder


def converted() -> Path:
    if not (SMOLLM2 / "config.json").exists():
        raise SystemExit("make SmolLM2-135M with `make smollm2-model`")
    return SMOLLM2
