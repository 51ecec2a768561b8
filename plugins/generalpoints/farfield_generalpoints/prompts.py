"""What the policy reads: the task and the feedback, in full sentences or in a few words."""

from collections.abc import Mapping, Sequence

from farfield_generalpoints.answers import PromptForm
from farfield_generalpoints.judging import Fault
from farfield_sdk import Message, user

_PAPER_TASK = """\
Let us play a card game. You hold four cards; make them reach {target}.

Rules:
- Write one formula with the operations +, -, * and / and with parentheses.
- Use the value of every card exactly once, and no other number.
- A counts as 1, and the cards 2 to 10 count as their number. J counts as {J}, Q as {Q} and K as {K}.
- The formula must be worth exactly {target}. Fractions on the way are allowed.

Your cards: {cards}

Answer with one JSON object with these three keys, and nothing after it:
{{"cards": [the four cards as you see them], "number": [what each of them counts], \
"formula": "your formula={target}"}}"""

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


def task(form: PromptForm, cards: Sequence[str], faces: tuple[int, int, int], target: int) -> Message:
    """The opening message: target, rule, cards."""
    jack, queen, king = faces
    if form == "compact":
        return user(f"target {target} J {jack} Q {queen} K {king} cards {' '.join(cards)}")
    shown = ", ".join(cards)
    return user(_PAPER_TASK.format(target=target, J=jack, Q=queen, K=king, cards=shown))


def feedback(form: PromptForm, faults: Sequence[Fault], target: int) -> str:
    """Why an attempt failed. The compact form names only the gravest fault."""
    distinct = sorted(set(faults), key=list(Fault).index)
    if form == "compact":
        return _COMPACT_FEEDBACK[distinct[0]]
    reasons = " ".join(_PAPER_FEEDBACK[fault] for fault in distinct).format(target=target)
    return f"{reasons} Try again, in the same form."
