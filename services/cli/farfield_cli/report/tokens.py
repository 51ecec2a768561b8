"""Responses token by token, with the tokenizer of the checkpoint that gave them; without torch."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

Decode = Callable[[Sequence[int]], list[str]]
"""From ids to the text of each; a token that only begins a character has none."""

_FILE = "tokenizer.json"


def decoder(folders: Iterable[Path]) -> Decode | None:
    """By the first folder with a tokenizer; None where there is none, as for a run of another machine."""
    found = next((folder for folder in folders if (folder / _FILE).is_file()), None)
    return _decoder(found) if found else None


@cache
def _decoder(folder: Path) -> Decode:
    from tokenizers import Tokenizer
    from tokenizers.decoders import DecodeStream

    tokenizer = Tokenizer.from_file(str(folder / _FILE))

    def decode(ids: Sequence[int]) -> list[str]:
        stream = DecodeStream(skip_special_tokens=False)
        return [stream.step(tokenizer, one) or "" for one in ids]

    return decode
