from dataclasses import replace

from farfield_generalpoints.judging import Fault, Problem
from farfield_generalpoints.prompts import feedback, task

COMPACT = Problem(("A", "10", "J", "K"), (1, 10, 11, 13), (11, 12, 13), 24, "compact")
PAPER = replace(COMPACT, form="paper", target=36)


def test_compact_task_states_target_rule_and_cards():
    assert task(COMPACT) == "target 24 J 11 Q 12 K 13 cards A 10 J K"


def test_paper_task_states_target_rule_cards_and_form():
    for part in ("36", "J counts as 11, Q as 12 and K as 13", "A, 10, J, K", '{"cards":', '=36"}'):
        assert part in task(PAPER)


def test_every_fault_has_feedback_in_both_forms():
    for fault in Fault:
        assert feedback(COMPACT, [fault]).endswith(f" {task(COMPACT)}")
        assert feedback(PAPER, [fault]).endswith("Try again, in the same form.")


def test_feedback_puts_the_gravest_first_and_repeats_nothing():
    faults = [Fault.UNUSED, Fault.SYNTAX, Fault.SYNTAX]
    assert feedback(COMPACT, faults).startswith("wrong formula target")
    assert feedback(PAPER, faults) == (
        "Your formula is not well formed. Your formula leaves a card unused. Try again, in the same form."
    )
