from farfield_kernel.promptness import Promptness


def test_a_promise_is_broken_by_several_slow_calls_and_not_by_one() -> None:
    promptness = Promptness()
    assert [promptness.took(seconds) for seconds in (0.001, 0.05, 0.051)] == [False, False, True]
    assert not promptness.broken
    promptness.took(9.0)
    promptness.took(9.0)
    assert promptness.broken


def test_pauses_of_a_busy_machine_break_no_promise() -> None:
    promptness = Promptness()
    for number in range(1000):
        promptness.took(0.2 if number % 200 == 0 else 0.0001)
    assert promptness.slow == 5
    assert not promptness.broken
