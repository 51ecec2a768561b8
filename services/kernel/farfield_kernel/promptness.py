"""Whether an inline plugin keeps its promise: it runs on the event loop, so what it takes, all others wait.

A busy machine stops any process for a moment now and then, and such a pause falls on whoever runs. So one
slow call alone proves nothing: the promise is broken by `FEWEST` of them that are also more than `SHARE` of
all calls.
"""

SLOW_SECONDS = 0.05
FEWEST = 3
SHARE = 0.01


class Promptness:
    """Of one plugin."""

    __slots__ = ("calls", "slow")

    def __init__(self) -> None:
        self.calls = self.slow = 0

    def took(self, seconds: float) -> bool:
        """Counts a call; whether it was slow."""
        self.calls += 1
        if seconds <= SLOW_SECONDS:
            return False
        self.slow += 1
        return True

    @property
    def broken(self) -> bool:
        return self.slow >= FEWEST and self.slow > SHARE * self.calls
