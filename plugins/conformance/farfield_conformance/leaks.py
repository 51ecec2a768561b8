"""Whether answers stand in what a policy reads."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

CLEARLY = 1 / 3
"""By so much the share of texts that hold their own answer is above that of texts that hold another's."""
_WORD = re.compile(r"[-+]?\w+(?:\.\w+)*")


def leaks(answers: Sequence[str], shown: Sequence[str]) -> list[int]:
    """Which texts hold their own answers; none where they do not hold those clearly more often than each
    other's. Choices that every text lists tell nothing, and a short answer in some texts may be chance."""
    texts = list(zip(cores(answers), shown, strict=True))
    own = [here for here, (core, text) in enumerate(texts) if stands_in(core, text)]
    others = [
        stands_in(one, text) for one in {core for core, _ in texts} for core, text in texts if one != core
    ]
    chance = sum(others) / len(others) if others else 1.0
    return own if len(own) > 1 and len(own) / len(texts) - chance > CLEARLY else []


def another_answer(answers: Sequence[str]) -> list[str]:
    """For each answer the next one that differs, well formed and mostly wrong; itself where all are equal."""
    return [
        next((one for one in (*answers[here:], *answers) if one != answer), answer)
        for here, answer in enumerate(answers)
    ]


def cores(answers: Sequence[str]) -> list[str]:
    """Of each answer what is left between the words that all begin with and those that all end with:
    7 of `<answer>7</answer>`, or of `It is 7.`; the whole answer where nothing is."""
    words = [_WORD.findall(one) for one in answers]
    before, after = _alike(words), _alike(map(reversed, words))
    return [_between(one, before, after) for one in answers]


def _alike(words: Iterable[Iterable[str]]) -> int:
    """How many words all begin with."""
    columns = zip(*words, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _between(answer: str, before: int, after: int) -> str:
    spans = [found.span() for found in _WORD.finditer(answer)]
    left = spans[before : len(spans) - after]
    return answer[left[0][0] : left[-1][1]] if left else answer


def stands_in(answer: str, text: str) -> bool:
    """As words of its own: 7 does not stand in 17."""
    answer, padded = answer.strip(), f" {text} "
    start = padded.find(answer)
    while answer and start >= 0:
        before, after = padded[start - 1], padded[start + len(answer)]
        if not (before.isalnum() or after.isalnum()):
            return True
        start = padded.find(answer, start + 1)
    return False
