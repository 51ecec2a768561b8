"""Where in a response the answer is, and how a policy is told."""

from typing import Literal

AnswerForm = Literal["tag", "whole"]

OPEN, CLOSE = "<answer>", "</answer>"
_INSTRUCTIONS = {
    "tag": f"Give your final answer between {OPEN} and {CLOSE}.",
    "whole": "Respond with the answer alone.",
}


def task(question: str, form: AnswerForm) -> str:
    return f"{question.rstrip()}\n\n{_INSTRUCTIONS[form]}"


def answer_in(response: str, form: AnswerForm) -> str | None:
    """The last tagged answer, or the whole response, without space around it; None where there is none."""
    if form == "tag":
        _, opened, rest = response.rpartition(OPEN)
        answer, closed, _ = rest.partition(CLOSE)
        if not (opened and closed):
            return None
    else:
        answer = response
    return answer.strip() or None


def composed(answer: str, form: AnswerForm) -> str:
    """A response that gives the answer."""
    return f"{OPEN}{answer}{CLOSE}" if form == "tag" else answer


def request(form: AnswerForm) -> str:
    """Asks for a correction, whether or not there is anything to correct."""
    return (
        "There may be a mistake in your answer. Look for one, correct it if you find it, and answer again. "
        f"{_INSTRUCTIONS[form]}"
    )


def feedback(answer: str | None, score: float, form: AnswerForm) -> str:
    """Why the attempt failed, without a word of the solution."""
    if answer is None:
        return f"There is no answer in your response. {_INSTRUCTIONS[form]}"
    near = f"It scores {score:.2f} of 1. " if score > 0 else ""
    return f"Your answer is not right. {near}Try again. {_INSTRUCTIONS[form]}"
