from farfield_generalpoints.judging import Fault
from farfield_generalpoints.prompts import feedback, task


def test_compact_task_states_target_rule_and_cards():
    message = task("compact", ("A", "10", "J", "K"), (11, 12, 13), 24)
    assert message.role == "user"
    assert message.text == "target 24 J 11 Q 12 K 13 cards A 10 J K"


def test_paper_task_states_target_rule_cards_and_form():
    text = task("paper", ("A", "10", "J", "K"), (11, 12, 13), 36).text
    for part in ("36", "J counts as 11, Q as 12 and K as 13", "A, 10, J, K", '{"cards":', '=36"}'):
        assert part in text


def test_every_fault_has_feedback_in_both_forms():
    for fault in Fault:
        assert len(feedback("compact", [fault], 24).split()) == 2
        assert feedback("paper", [fault], 24).endswith("Try again, in the same form.")


def test_feedback_puts_the_gravest_first_and_repeats_nothing():
    faults = [Fault.UNUSED, Fault.SYNTAX, Fault.SYNTAX]
    assert feedback("compact", faults, 24) == "wrong formula"
    assert feedback("paper", faults, 24) == (
        "Your formula is not well formed. Your formula leaves a card unused. Try again, in the same form."
    )
