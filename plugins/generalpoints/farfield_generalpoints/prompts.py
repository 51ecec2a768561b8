"""What the policy reads: the task and the feedback, in full sentences or in a few words."""

from collections.abc import Mapping, Sequence

from farfield_generalpoints.judging import Fault, Problem

_PAPER_TASK = """\
Let us play a card game. You hold four cards; make them reach {target}.

Rules:
- Write one formula with the operations +, -, * and / and with parentheses.
- Use the value of every card exactly once, and no other number.
- A counts as 1, and the cards 2 to 10 count as their number. J counts as {J}, Q as {Q} and K as {K}.
- The formula must be worth exactly {target}. Fractions on the way are allowed.

{cards}

Answer with one JSON object with these three keys, and nothing after it:
{{"cards": [the four cards as you see them], "number": [what each of them counts], \
"formula": "your formula={target}"}}"""

_COMPACT_TASK = "target {target} J {J} Q {Q} K {K} cards {cards}"

_PAPER_FEEDBACK: Mapping[Fault, str] = {
    Fault.MALFORMED: 'I found no JSON object with the key "formula" in your answer.',
    Fault.MISREAD: "The cards in your answer are not the cards that are shown.",
    Fault.CHARACTER: "Your formula has a character that is not a digit, an operation or a "
    "parenthesis, or it is much too long.",
    Fault.SYNTAX: "Your formula is not well formed.",
    Fault.FOREIGN: "Your formula has a number that is not on your cards, or uses one too often.",
    Fault.UNUSED: "Your formula leaves a card unused.",
    Fault.UNFINISHED: "Your formula ends too early.",
    Fault.PROMISING: "Your formula ends too early; it began well.",
    Fault.VALUE: "Your formula is not worth {target}.",
}

_PAPER_PICTURE = """\
The picture shows your four cards side by side. Name each by its rank alone, as A, a number from 2 to 10, \
J, Q or K; the suits and colours do not matter."""

_COMPACT_FEEDBACK: Mapping[Fault, str] = {
    Fault.MALFORMED: "wrong answer",
    Fault.MISREAD: "wrong cards",
    Fault.CHARACTER: "wrong formula",
    Fault.SYNTAX: "wrong formula",
    Fault.FOREIGN: "wrong numbers",
    Fault.UNUSED: "unused cards",
    Fault.UNFINISHED: "wrong formula",
    Fault.PROMISING: "wrong formula",
    Fault.VALUE: "wrong value",
}


_PAPER_BLIND = """\
There may be a mistake in your answer. Look for one, correct it if you find it, and write your whole answer \
again in the same form."""
_COMPACT_BLIND = "answer"
"""A word that stands nowhere else in the task or in feedback without `wrong`."""


def task(problem: Problem) -> str:
    """What the policy reads first: target, rule, cards. Of an image it reads no card."""
    template = _COMPACT_TASK if problem.form == "compact" else _PAPER_TASK
    jack, queen, king = problem.faces
    return template.format(target=problem.target, J=jack, Q=queen, K=king, cards=_cards(problem))


def _cards(problem: Problem) -> str:
    if problem.form == "compact":
        return "shown" if problem.image else " ".join(problem.cards)
    return _PAPER_PICTURE if problem.image else f"Your cards: {', '.join(problem.cards)}"


def feedback(problem: Problem, faults: Sequence[Fault]) -> str:
    """Why an attempt failed; where revision is blind, the same request for a correction whatever the faults.
    The compact form names only the gravest fault and states the task again, so that a small model never has
    to look far back."""
    if problem.revision == "blind":
        return f"{_COMPACT_BLIND} {task(problem)}" if problem.form == "compact" else _PAPER_BLIND
    distinct = sorted(set(faults), key=list(Fault).index)
    if problem.form == "compact":
        return f"{_COMPACT_FEEDBACK[distinct[0]]} {task(problem)}"
    reasons = " ".join(_PAPER_FEEDBACK[fault] for fault in distinct).format(target=problem.target)
    return f"{reasons} Try again, in the same form."
