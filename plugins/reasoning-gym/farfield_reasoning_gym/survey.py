"""Which data sets work: ``python -m farfield_reasoning_gym.survey [NAME …]``.

One works when its default configuration makes items that JSON holds, that are the same in another process
and in another order, whose solution is text, and whose scorer gives that solution 1.0, nonsense less, and
raises for no text.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from farfield_reasoning_gym.children import Child, LibraryError
from farfield_reasoning_gym.excluded import EXCLUDED
from farfield_reasoning_gym.tasks import Task

SEEDS = (0, 1, 2**31 - 2, 1234567890123456789)
_NONSENSE = "no answer at all"
_ODD = ("0", "-1", "1 2 3", "x * y", "[]", "{}", "[[1]]", '{"a": 1}', "(", "True", "\0", "½", "9" * 5000)
"""Answers of other tasks than the one at hand, which a scorer must bear."""


def surveyed(names: Sequence[str] = (), seeds: Sequence[int] = SEEDS) -> Iterator[tuple[str, str]]:
    """Each data set with what is wrong with it, or an empty text."""
    pair = [Child(), Child()]
    try:
        for name in names or pair[0].ask("names"):
            try:
                yield name, _fault(name, seeds, *pair)
            except LibraryError as error:
                yield name, str(error)
                pair = [child if child.alive else Child() for child in pair]
    finally:
        for child in pair:
            child.close()


def _fault(name: str, seeds: Sequence[int], first: Child, second: Child) -> str:
    task = asdict(Task(name))
    entries = {seed: first.ask("entry", task, seed) for seed in seeds}
    for seed in reversed(seeds):
        if second.ask("entry", task, seed) != entries[seed]:
            return f"seed {seed} makes another item in another process"
    return next(filter(None, (_misjudged(task, entry, second) for entry in entries.values())), "")


def _misjudged(task: dict[str, Any], entry: dict[str, Any], child: Child) -> str:
    if not isinstance(entry["answer"], str) or not entry["answer"]:
        return f"the solution of an item is {entry['answer']!r}, not text"
    score = _score(child, task, entry, entry["answer"].strip())
    if score != 1.0:
        return f"its own solution scores {score:g}"
    nonsense = _score(child, task, entry, _NONSENSE)
    for odd in _ODD:
        _score(child, task, entry, odd)
    return f"the answer {_NONSENSE!r} scores {nonsense:g}" if nonsense >= 1.0 else ""


def _score(child: Child, task: dict[str, Any], entry: dict[str, Any], answer: str) -> float:
    try:
        return child.ask("score", task, answer, entry)
    except LibraryError as error:
        raise LibraryError(f"its scorer fails of the answer {answer[:20]!r}: {error}") from error


def main() -> None:
    for name, fault in surveyed(sys.argv[1:]):
        reason = EXCLUDED.get(name, "")
        state = "excluded" if reason else "FAILS" if fault else "works"
        print(f"{name:28} {state:9} {'; '.join(filter(None, (reason, fault)))}", flush=True)


if __name__ == "__main__":
    main()
