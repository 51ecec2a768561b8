from pathlib import Path

import pytest

from farfield_kernel.errors import InvalidArgument
from farfield_trainer.learning.model import load_tokenizer
from farfield_trainer.learning.sft import Renderer, SupervisedSample, tokenize

PAD, END, SYSTEM, USER, ASSISTANT, A, B, C, D = range(9)
TALK = [("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "a b"), ("assistant", "d")]
TALK_IDS = [SYSTEM, A, END, USER, B, END, ASSISTANT, C, END, USER, A, B, END, ASSISTANT, D, END]


@pytest.fixture(scope="module")
def renderer(checkpoint: Path) -> Renderer:
    return Renderer(load_tokenizer(checkpoint), [END])


def test_a_conversation_is_tokenized_segment_by_segment(renderer: Renderer) -> None:
    batch = tokenize([SupervisedSample(TALK)], renderer)
    assert batch.sequences == [TALK_IDS]
    assert [(target.start, target.end) for target in batch.targets] == [(7, 9), (14, 16)]


def test_segments_are_the_chat_template_applied_to_the_whole(renderer: Renderer, checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    chat = [{"role": role, "content": text} for role, text in TALK]
    whole = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False), add_special_tokens=False).input_ids
    assert whole == TALK_IDS


def test_continuation_begins_after_the_end_of_turn(renderer: Renderer) -> None:
    assert renderer.continuation([("user", "a")]) == [USER, A, END, ASSISTANT]
    assert renderer.opening([("user", "a")]) == [USER, A, END, ASSISTANT]
    assert renderer.answer("a b") == [A, B, END]


def test_weights_follow_their_messages_and_zero_is_context(renderer: Renderer) -> None:
    batch = tokenize([SupervisedSample(TALK, [0.15, 1.0]), SupervisedSample(TALK, [1.0, 0.0])], renderer)
    assert [(target.sequence, target.weight) for target in batch.targets] == [(0, 0.15), (0, 1.0), (1, 1.0)]
    assert batch.sequences[1] == TALK_IDS[:9]
    assert tokenize([SupervisedSample(TALK, [0.0, 0.0])], renderer).sequences == []


def test_an_answer_closes_as_the_template_closes_it(checkpoint: Path) -> None:
    """Of several ends, the one that the template writes; what stands before it is not sampled."""
    tokenizer = load_tokenizer(checkpoint)
    tokenizer.chat_template = tokenizer.chat_template.replace("<end>", "z <end>")
    renderer = Renderer(tokenizer, [PAD, END])
    assert renderer.answer("a") == [A, END]
    assert renderer.continuation([("user", "a")])[:2] == [USER, A]


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0]])
def test_wrong_weights_are_refused(renderer: Renderer, weights: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="2 assistant messages"):
        tokenize([SupervisedSample(TALK, weights)], renderer)


def test_an_answer_to_nothing_is_refused(renderer: Renderer) -> None:
    with pytest.raises(InvalidArgument, match="nothing to answer"):
        tokenize([SupervisedSample([("assistant", "a")])], renderer)
