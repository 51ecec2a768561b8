"""Stop strings: where a response's text ends, whatever tokens it is made of."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]


def cut(text: str, stop_strings: Sequence[str]) -> str | None:
    """`text` up to and including the stop string that ends first; None when it has none."""
    ends = [at + len(stop) for stop in stop_strings if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else None


def hit(ids: Sequence[int], stop_strings: Sequence[str], decode: Decode) -> str | None:
    """The text of a response cut at its first stop string, or None. Called after every token, so only the
    tail that could hold a stop string which the last token completed is decoded; a hit there is confirmed
    on the whole text, since a tail may decode differently at its left edge."""
    longest = max(len(stop) for stop in stop_strings)
    tail = _tail(ids, longest, decode)
    if not any(stop in tail for stop in stop_strings):
        return None
    return cut(decode(ids), stop_strings)


def ends(ids: Sequence[int], stop_strings: Sequence[str], decode: Decode) -> str | None:
    """The text of a response that ends with a stop string, or None."""
    tail = _tail(ids, max(map(len, stop_strings)), decode)
    return decode(ids) if tail.endswith(tuple(stop_strings)) else None


def _tail(ids: Sequence[int], characters: int, decode: Decode) -> str:
    """Text of the last tokens: of the last one and at least twice `characters` before it, or the whole."""
    enough = len(decode(ids[-1:])) + 2 * characters
    count = max(8, characters)
    while True:
        text = decode(ids[-count:])
        if len(text) >= enough or count >= len(ids):
            return text
        count *= 2
