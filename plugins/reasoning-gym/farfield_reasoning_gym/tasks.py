"""What the library is asked: to check a task, to make its items, to score answers.

A task is plain data. The library itself lives in child processes (`children`): nothing here imports it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from farfield_reasoning_gym.children import Children, LibraryError
from farfield_sdk import Split, in_split

Entry = dict[str, Any]
"""One item: `question`, `answer` and the `metadata` that its scorer reads."""

LIBRARY = Children()
DRAWS = 100
"""Items that are drawn to find one of a split."""


@dataclass(frozen=True, slots=True)
class Task:
    """A data set of the library, at a level of its curriculum where `level` says so, with keys of its own
    configuration laid over that."""

    dataset: str
    level: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raises ValueError with the library's own words for a task that it does not know or make."""
        try:
            LIBRARY.ask("check", asdict(self))
        except LibraryError as error:
            raise ValueError(error.said) from None

    def entry(self, seed: int) -> Entry:
        """The item that the seed names: the same in every process. LibraryError where the generator
        raises."""
        return LIBRARY.ask("entry", asdict(self), seed)

    def entry_in(self, split: Split, seed: int) -> Entry:
        """The seed's own item, or where that is not in the split the first that is of others drawn by the
        seed. ValueError where none is."""
        draws = Random(f"split {seed}")
        for _ in range(DRAWS):
            entry = self.entry(seed)
            if in_split(entry["question"], split):
                return entry
            seed = draws.getrandbits(31)
        raise ValueError(
            f"none of {DRAWS} items of '{self.dataset}' is in the split '{split}': it has too few"
        )

    def score(self, answer: str, entry: Entry) -> float:
        """The library's score, finite. LibraryError where its scorer raises, hangs or gives no number."""
        return LIBRARY.ask("score", asdict(self), answer, entry)
