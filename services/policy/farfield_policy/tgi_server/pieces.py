"""The texts of single tokens."""

from collections.abc import Callable, Sequence

_CONTEXT = 5
"""Tokens of the prompt with which the first token of a response is decoded, for the space before it."""
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Pieces:
    """What each token adds to a prompt's text. One that ends within a character adds nothing; the one that
    completes the character adds it."""

    def __init__(self, decode: Callable[[Sequence[int]], str], prompt: Sequence[int]) -> None:
        self._decode = decode
        self._ids = list(prompt)
        self._said = len(self._ids)
        self._start = max(self._said - _CONTEXT, 0)

    def add(self, token: int) -> str:
        self._ids.append(token)
        before = self._decode(self._ids[self._start : self._said])
        text = self._decode(self._ids[self._start :])
        if len(text) <= len(before) or text.endswith(_UNFINISHED):
            return ""
        self._start, self._said = self._said, len(self._ids)
        return text[len(before) :]
