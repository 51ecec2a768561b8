"""What a prompt or a response to score must be, whatever engine serves it."""

from collections.abc import Sequence

from farfield_kernel.errors import CONTEXT_FULL, FailedPrecondition, FarfieldError, InvalidArgument
from farfield_policy.engine import Forced


def check_prompt_ids(ids: Sequence[int], vocabulary: int, most_context: int) -> None:
    """Raises where there are none, where one is none of the model's, or where they leave no room."""
    if not ids:
        raise InvalidArgument("the prompt is empty: give prefix_ids, messages or both")
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise InvalidArgument(f"prefix_ids go beyond the vocabulary of {vocabulary} ids")
    if len(ids) >= most_context:
        raise FailedPrecondition(
            f"the prompt has {len(ids)} tokens; the context holds {most_context}, "
            "and at least one is needed for the response",
            reason=CONTEXT_FULL,
        )


def fault_of(item: Forced, vocabulary: int, most_tokens: int) -> FarfieldError | None:
    """Why a response cannot be scored; None where it can."""
    if not item.prompt_ids or not item.response_ids:
        return InvalidArgument("prompt_ids and response_ids must both hold at least one id")
    if not 0 <= item.temperature < float("inf"):
        return InvalidArgument(f"temperature is {item.temperature}; it must be finite and >= 0")
    length = len(item.prompt_ids) + len(item.response_ids)
    if length > most_tokens:
        return InvalidArgument(f"{length} tokens exceed the context of {most_tokens}")
    wrong = next((i for i in (*item.prompt_ids, *item.response_ids) if not 0 <= i < vocabulary), None)
    return None if wrong is None else InvalidArgument(f"id {wrong} is not in the vocabulary of {vocabulary}")
