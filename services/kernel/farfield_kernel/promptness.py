"""Whether an inline plugin keeps its promise: it runs on the event loop, so what it takes, all others wait.

A busy machine stops any process for a moment now and then, and such a pause falls on whoever runs. So one
slow call alone proves nothing: the promise is broken by `FEWEST` of them that are also more than `SHARE` of
all calls.
"""

from dataclasses import dataclass

SLOW_SECONDS = 0.05
FEWEST = 3
SHARE = 0.01


@dataclass(slots=True)
class Promptness:
    """Of one plugin: its calls on the event loop, and those that took more than `SLOW_SECONDS`."""

    calls: int = 0
    slow: int = 0

    def took(self, seconds: float) -> bool:
        """Counts a call; whether it was a slow one."""
        self.calls += 1
        slow = seconds > SLOW_SECONDS
        self.slow += slow
        return slow

    @property
    def broken(self) -> bool:
        return self.slow >= FEWEST and self.slow > SHARE * self.calls

    def __str__(self) -> str:
        return f"over {SLOW_SECONDS:g} s in {self.slow} of {self.calls} calls"
