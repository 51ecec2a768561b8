"""The tokenizer of a GGUF file whose pre-tokenizer is `smollm`: GPT-2's byte pairs, each digit by itself."""

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from smollm2.weights import field

_CONTROL = 3
"""llama.cpp's kind of a token that stands for no text."""


def tokenizer_of(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """With the chat template; ValueError for a file of another kind of tokenizer."""
    kind = (field(reader, "tokenizer.ggml.model"), field(reader, "tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"the tokenizer is of kind {kind}; this script reads SmolLM's")
    words: list[str] = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in field(reader, "tokenizer.ggml.merges")]
    pairs = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    pairs.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    pairs.decoder = decoders.ByteLevel()
    kinds = field(reader, "tokenizer.ggml.token_type")
    special = [word for word, kind in zip(words, kinds, strict=True) if kind == _CONTROL]
    pairs.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in special])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=pairs,
        clean_up_tokenization_spaces=False,
        model_max_length=int(field(reader, "llama.context_length")),
        **{
            f"{role}_token": words[int(field(reader, f"tokenizer.ggml.{key}_token_id"))]
            for role, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
        },
    )
    wrapped.chat_template = field(reader, "tokenizer.chat_template")
    return wrapped
