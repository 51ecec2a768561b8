from collections.abc import Callable

import numpy as np
import pytest
import torch

from farfield_policy.embedded.batch import fixed_lengths
from farfield_policy.embedded.decode import Broken, Decoder
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.rows import Request
from farfield_policy.embedded.scoring import score
from farfield_policy.engine import Completion, FinishReason, Forced, Sampling, Span, Version

Make = Callable[..., Decoder]
Play = Callable[..., list[Completion]]
MakeRequests = Callable[..., list[Request]]


def plain_response(model: Model, request: Request) -> list[int]:
    """Greedy decoding without a cache or a batch, by transformers' own forward pass."""
    ids = list(request.prompt_ids)
    while True:
        with torch.inference_mode():
            token = model.module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item()
        ids.append(token)
        drawn = ids[len(request.prompt_ids) :]
        if token in request.stop_ids or len(drawn) == request.sampling.max_new_tokens:
            return drawn


def test_greedy_responses_are_those_of_plain_decoding(
    model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    requests = make_requests(7, most=20, temperature=0.0, max_new_tokens=12)
    done = play(make_decoder(model, rows=3), requests)
    assert [one.response_ids for one in done] == [plain_response(model, request) for request in requests]


def test_teacher_forcing_reproduces_the_logprobs(
    model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    """Through the cache, batched, with rows coming and going; then in one pass without a cache."""
    requests = make_requests(18, temperature=0.8, top_k=0, top_p=1.0)
    done = play(make_decoder(model), requests, at_once=3)
    forced = [Forced(one.prompt_ids, one.response_ids, 0.8) for one in done]
    for one, scores in zip(done, score(model, forced, 1000, 128), strict=True):
        assert np.allclose(one.logprobs, scores.logprobs, atol=1e-4)
        assert np.allclose(one.raw_logprobs, scores.raw_logprobs, atol=1e-4)


def test_raw_logprobs_are_those_of_transformers(
    model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    for one in play(make_decoder(model), make_requests(6)):
        ids = torch.tensor([[*one.prompt_ids, *one.response_ids]])
        with torch.inference_mode():
            logprobs = model.module(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
        places = range(len(one.prompt_ids) - 1, ids.shape[1] - 1)
        expected = [logprobs[at, ids[0, at + 1]].item() for at in places]
        assert np.allclose(one.raw_logprobs, expected, atol=1e-5)


def test_a_response_does_not_depend_on_its_batch(
    model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    together = play(make_decoder(model, rows=12), make_requests(12))
    apart = play(make_decoder(model, rows=2), make_requests(12), at_once=1)
    for a, b in zip(together, apart, strict=True):
        assert a.response_ids == b.response_ids
        assert np.allclose(a.logprobs, b.logprobs, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_deterministic_results_are_bit_identical_whatever_the_batch(
    fused: bool, make_llama: Callable, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    model = Model(make_llama(3), 128, fused)
    assert model.fused == fused

    def results(order: list[int], at_once: int) -> list[Completion]:
        requests = make_requests(32, most=90, max_new_tokens=6)
        decoder = make_decoder(model, rows=12, deterministic=True)
        done = play(decoder, [requests[at] for at in order], at_once)
        return [done[order.index(at)] for at in range(32)]

    once = results(list(range(32)), 32)
    assert len({len(one.prompt_ids) > 64 for one in once}) == 2, "both attention lengths are exercised"
    for order, at_once in (
        (list(reversed(range(32))), 2),
        ([7 * at % 32 for at in range(32)], 5),
        ([11 * at % 32 for at in range(32)], 12),
    ):
        assert results(order, at_once) == once


def test_deterministic_results_of_one_prompt_at_a_time_are_those_of_all_at_once(
    llama_model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    once = play(make_decoder(llama_model, 16, deterministic=True), make_requests(24, max_new_tokens=5))
    decoder = make_decoder(llama_model, 16, deterministic=True)
    assert [play(decoder, [request])[0] for request in make_requests(24, max_new_tokens=5)] == once


def test_seeds_decide(llama_model: Model, make_decoder: Make, play: Play) -> None:
    def ask(seed: int) -> Request:
        return Request([5, 6, 7], Sampling(12, temperature=1.0), seed)

    same, other, again = play(make_decoder(llama_model), [ask(1), ask(2), ask(1)])
    assert same == again
    assert same.response_ids != other.response_ids


def ended(model: Model, make: Make, play: Play, context: int = 128, **asked: object) -> Completion:
    stops = asked.pop("stop_ids", ())
    prompt = asked.pop("prompt", [5, 6, 7])
    request = Request(prompt, Sampling(**{"max_new_tokens": 20, **asked}), 0, stops)
    return play(make(model, context=context), [request])[0]


def test_a_response_ends_at_its_length(llama_model: Model, make_decoder: Make, play: Play) -> None:
    done = ended(llama_model, make_decoder, play, max_new_tokens=4)
    assert done.finish_reason is FinishReason.LENGTH
    assert len(done.response_ids) == len(done.logprobs) == len(done.raw_logprobs) == 4


def test_a_response_may_end_with_its_first_token(llama_model: Model, make_decoder: Make, play: Play) -> None:
    assert len(ended(llama_model, make_decoder, play, max_new_tokens=1).response_ids) == 1


def test_a_stop_token_is_the_last_id_and_not_in_the_text(
    llama_model: Model, make_decoder: Make, play: Play
) -> None:
    free = ended(llama_model, make_decoder, play)
    stop = free.response_ids[3]
    done = ended(llama_model, make_decoder, play, stop_ids=(stop,))
    assert done.finish_reason is FinishReason.STOP_TOKEN
    assert done.response_ids == free.response_ids[: free.response_ids.index(stop) + 1]
    assert done.text == " ".join(free.text.split()[: len(done.response_ids) - 1])


def test_a_stop_string_ends_text_and_response(llama_model: Model, make_decoder: Make, play: Play) -> None:
    free = ended(llama_model, make_decoder, play)
    words = free.text.split()
    stop = " ".join(words[4:6])
    done = ended(llama_model, make_decoder, play, stop_strings=(stop,))
    assert done.finish_reason is FinishReason.STOP_STRING
    assert done.text.endswith(stop)
    assert done.response_ids == free.response_ids[: len(done.text.split())]


def test_a_full_context_ends_the_response(llama_model: Model, make_decoder: Make, play: Play) -> None:
    done = ended(llama_model, make_decoder, play, context=10, prompt=[5] * 6)
    assert done.finish_reason is FinishReason.CONTEXT
    assert len(done.response_ids) == 4
    exact = ended(llama_model, make_decoder, play, context=10, prompt=[5] * 6, max_new_tokens=4)
    assert exact.finish_reason is FinishReason.LENGTH


def test_a_batch_outgrows_its_first_buffers(llama_model: Model, make_decoder: Make, play: Play) -> None:
    done = ended(llama_model, make_decoder, play, max_new_tokens=120)
    forced = score(llama_model, [Forced(done.prompt_ids, done.response_ids)], 1000, 128)[0]
    assert len(done.response_ids) == 120
    assert np.allclose(done.raw_logprobs, forced.raw_logprobs, atol=1e-4)


def test_a_swap_is_seen_by_the_next_token_and_recorded(
    llama_model: Model, other_llama_model: Model, make_decoder: Make
) -> None:
    decoder = make_decoder(llama_model)
    decoder.version = Version("run", 3)
    decoder.admit([Request([5, 6], Sampling(5), 0)])
    decoder.step()
    decoder.swap(other_llama_model, Version("run", 4))
    finished = []
    while not finished:
        finished = decoder.step()
    done = finished[0].result
    assert done.spans == (Span(3, 2), Span(4, 3))
    assert done.run_id == "run"


def test_cancelling_frees_the_row_and_changes_nobody_else(
    llama_model: Model, make_decoder: Make, play: Play, make_requests: MakeRequests
) -> None:
    requests = make_requests(3, temperature=1.0, max_new_tokens=15)
    decoder = make_decoder(llama_model, rows=3)
    decoder.admit(requests)
    decoder.cancel(requests[0])
    assert decoder.free == 1
    finished = []
    while decoder.running:
        finished += decoder.step()
    alone = play(make_decoder(llama_model, rows=3), make_requests(3, temperature=1.0, max_new_tokens=15)[1:])
    results = {id(done.request): done.result.response_ids for done in finished}
    assert [results[id(request)] for request in requests[1:]] == [one.response_ids for one in alone]


def test_a_model_that_computes_nan_breaks_the_response(
    make_llama: Callable, make_decoder: Make, play: Play
) -> None:
    module = make_llama(4)
    model = Model(module, 128, fused=False)
    with torch.no_grad():
        module.lm_head.weight.fill_(float("nan"))
    assert isinstance(play(make_decoder(model), [Request([5], Sampling(4), 0)])[0], Broken)


def test_the_attention_length_follows_from_the_rows_own_length() -> None:
    lengths = fixed_lengths(np.array([0, 1, 64, 65, 128, 129, 200]), 200)
    assert lengths.tolist() == [64, 64, 64, 128, 128, 200, 200]


def turns(
    model: Model, make: Make, play: Play, kept: int, swapped: Model | None = None
) -> tuple[list[Completion], int]:
    """Six conversations of three turns, each prompt the turn before and a few ids more."""
    decoder = make(model, rows=4, kept=kept)
    prompts = [[5 + at % 3] * (10 + 3 * at) for at in range(6)]
    done: list[Completion] = []
    for turn in range(3):
        asked = [
            Request(ids, Sampling(8, temperature=1.0), seed=10 * turn + at) for at, ids in enumerate(prompts)
        ]
        answers = play(decoder, asked)
        done += answers
        prompts = [[*one.prompt_ids, *one.response_ids, 7, 8 + turn] for one in answers]
        if swapped is not None:
            decoder.swap(swapped, Version("run", turn + 1))
    return done, decoder.reused


def test_a_next_turn_computes_what_is_new_and_nothing_else(
    model: Model, make_decoder: Make, play: Play
) -> None:
    known, reused = turns(model, make_decoder, play, kept=4096)
    anew, none = turns(model, make_decoder, play, kept=0)
    assert [one.response_ids for one in known] == [one.response_ids for one in anew]
    for a, b in zip(known, anew, strict=True):
        assert np.allclose(a.raw_logprobs, b.raw_logprobs, atol=1e-5)
    later = sum(len(one.prompt_ids) - 3 for one in known[6:])
    assert (reused, none) == (later, 0)


def test_what_older_weights_computed_is_not_used_again(
    llama_model: Model, other_llama_model: Model, make_decoder: Make, play: Play
) -> None:
    done, reused = turns(llama_model, make_decoder, play, kept=4096, swapped=other_llama_model)
    assert reused == 0
    forced = score(
        other_llama_model, [Forced(one.prompt_ids, one.response_ids) for one in done[6:]], 1000, 128
    )
    for one, scores in zip(done[6:], forced, strict=True):
        assert np.allclose(one.raw_logprobs, scores.raw_logprobs, atol=1e-4)


def test_a_prompt_that_runs_already_is_not_computed_again(
    model: Model, make_decoder: Make, play: Play
) -> None:
    ids = list(range(5, 35))
    decoder = make_decoder(model, kept=0)
    decoder.admit([Request(ids, Sampling(30, temperature=1.0), seed=0)])
    decoder.step()
    (late,) = (done.result for done in decoder.admit([Request(ids, Sampling(1, temperature=1.0), seed=1)]))
    alone = play(make_decoder(model), [Request(ids, Sampling(1, temperature=1.0), seed=1)])[0]
    assert decoder.reused == len(ids) - 1
    assert late.response_ids == alone.response_ids
    assert np.allclose(late.raw_logprobs, alone.raw_logprobs, atol=1e-5)


def test_a_running_prompt_is_copied_to_rows_that_were_not_there_yet(
    llama_model: Model, make_decoder: Make, play: Play
) -> None:
    ids = list(range(5, 35))
    asked = [Request([5 + at] * 4, Sampling(3, temperature=1.0), seed=at) for at in range(9)]
    asked.append(Request(ids, Sampling(5, temperature=1.0), seed=9))
    decoder = make_decoder(llama_model, rows=32)
    decoder.admit([Request(ids, Sampling(30, temperature=1.0), seed=0)])
    finished = decoder.admit(asked)
    while not any(done.request is asked[-1] for done in finished):
        finished += decoder.step()
    late = next(done.result for done in finished if done.request is asked[-1])
    alone = play(make_decoder(llama_model), [Request(ids, Sampling(5, temperature=1.0), seed=9)])[0]
    assert late.response_ids == alone.response_ids
