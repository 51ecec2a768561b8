"""Whether answers stand in what a policy reads."""

from collections.abc import Sequence


def leaks(answers: Sequence[str], shown: Sequence[str]) -> bool:
    """Whether each text holds its own answer, and mostly not those of the others: choices that every text
    lists tell nothing, and a short answer in one text may be chance."""
    own = [stands_in(answer, text) for answer, text in zip(answers, shown, strict=True)]
    others = [
        stands_in(answer, text)
        for here, answer in enumerate(answers)
        for there, text in enumerate(shown)
        if answer != answers[there] and here != there
    ]
    return all(own) and len(own) > 1 and sum(others) < max(len(others), 1) / 2


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
