import pytest

from farfield_kernel.promptness import Promptness


@pytest.mark.parametrize(
    ("calls", "slow", "broken"),
    [
        (1, 1, False),  # one slow call proves nothing
        (3, 2, False),
        (3, 3, True),
        (299, 3, True),
        (300, 3, False),  # nor do the pauses of a busy machine
        (100_000, 500, False),
    ],
)
def test_a_promise_is_broken_by_slow_calls_that_are_neither_few_nor_rare(
    calls: int, slow: int, broken: bool
) -> None:
    assert Promptness(calls, slow).broken is broken
