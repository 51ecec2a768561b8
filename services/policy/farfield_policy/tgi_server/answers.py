"""Bodies of answers, in the shapes of text-generation-inference."""

from collections.abc import Sequence
from typing import Any

from farfield_policy.engine import Completion, FinishReason
from farfield_policy.tgi_server.generation import Asked, Drawn
from farfield_policy.tgi_server.text import Text

Json = dict[str, Any]

REASONS = {
    FinishReason.STOP_TOKEN: "eos_token",
    FinishReason.STOP_STRING: "stop_sequence",
    FinishReason.LENGTH: "length",
    FinishReason.CONTEXT: "length",
}


def generated(
    text: Text, asked: Asked, completions: Sequence[Completion], prefill: Sequence[float | None] | None
) -> Json:
    """The answer of `/generate`. Of several completions the likeliest is the answer, and the others stand in
    its details."""
    order = sorted(range(len(completions)), key=lambda at: -_mean_logprob(completions[at]))
    ranked = [(completions[at], asked.plan.seeds[at]) for at in order]
    answer: Json = {"generated_text": spoken(text, asked, ranked[0][0])}
    if not (asked.parameters.details or asked.parameters.decoder_input_details):
        return answer
    answer["details"] = _details(text, asked, *ranked[0], prefill)
    if asked.parameters.best_of is not None and len(ranked) > 1:
        answer["details"]["best_of_sequences"] = [
            {
                "generated_text": spoken(text, asked, completion),
                **_details(text, asked, completion, seed, None),
            }
            for completion, seed in ranked[1:]
        ]
    return answer


def streamed(text: Text, asked: Asked, drawn: Drawn, index: int, piece: str) -> Json:
    """One event of `/generate_stream`; `index` counts from 1."""
    event: Json = {
        "index": index,
        "token": _token(text, drawn.id, drawn.logprob, piece),
        "generated_text": None,
        "details": None,
    }
    if drawn.completion is not None:
        event["generated_text"] = spoken(text, asked, drawn.completion)
        if asked.parameters.details:
            event["details"] = {
                "finish_reason": REASONS[drawn.completion.finish_reason],
                "generated_tokens": index,
                "seed": asked.plan.seeds[0] if asked.plan.samples else None,
                "input_length": len(asked.inputs.ids),
            }
    return event


def spoken(text: Text, asked: Asked, completion: Completion) -> str:
    said = text.said(completion.prompt_ids, completion.response_ids)
    return asked.inputs.text + said if asked.parameters.return_full_text else said


def _details(
    text: Text, asked: Asked, completion: Completion, seed: int, prefill: Sequence[float | None] | None
) -> Json:
    pieces = text.pieces(completion.prompt_ids)
    pairs = zip(completion.response_ids, completion.logprobs, strict=True)
    return {
        "finish_reason": REASONS[completion.finish_reason],
        "generated_tokens": len(completion.response_ids),
        "seed": seed if asked.plan.samples else None,
        "prefill": [
            {"id": token, "text": text.word(token), "logprob": logprob}
            for token, logprob in zip(asked.inputs.ids, prefill or (), strict=False)
        ],
        "tokens": [_token(text, token, logprob, pieces.add(token)) for token, logprob in pairs],
    }


def _token(text: Text, token: int, logprob: float, piece: str) -> Json:
    return {"id": token, "text": piece, "logprob": logprob, "special": token in text.special}


def _mean_logprob(completion: Completion) -> float:
    return sum(completion.logprobs) / max(len(completion.logprobs), 1)
