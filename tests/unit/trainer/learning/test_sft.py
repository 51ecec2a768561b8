from pathlib import Path

import pytest

from farfield_kernel.errors import InvalidArgument
from farfield_model.chat import Chat
from farfield_model.tokenizing import load_tokenizer
from farfield_trainer.learning.sft import SupervisedSample, tokenize

PAD, END, SYSTEM, USER, ASSISTANT, A, B, C, D = range(9)
TALK = [("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "a b"), ("assistant", "d")]
TALK_IDS = [SYSTEM, A, END, USER, B, END, ASSISTANT, C, END, USER, A, B, END, ASSISTANT, D, END]


@pytest.fixture(scope="module")
def chat(checkpoint: Path) -> Chat:
    return Chat(load_tokenizer(checkpoint), [END], allow_rewriting=True)


def test_a_conversation_is_tokenized_segment_by_segment(chat: Chat) -> None:
    batch = tokenize([SupervisedSample(TALK)], chat)
    assert batch.sequences == [TALK_IDS]
    assert [(target.start, target.end) for target in batch.targets] == [(7, 9), (14, 16)]


def test_segments_are_the_chat_template_applied_to_the_whole(chat: Chat, checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    talk = [{"role": role, "content": text} for role, text in TALK]
    whole = tokenizer(tokenizer.apply_chat_template(talk, tokenize=False), add_special_tokens=False).input_ids
    assert whole == TALK_IDS


def test_weights_follow_their_messages_and_zero_is_context(chat: Chat) -> None:
    batch = tokenize([SupervisedSample(TALK, [0.15, 1.0]), SupervisedSample(TALK, [1.0, 0.0])], chat)
    assert [(target.sequence, target.weight) for target in batch.targets] == [(0, 0.15), (0, 1.0), (1, 1.0)]
    assert batch.sequences[1] == TALK_IDS[:9]
    assert tokenize([SupervisedSample(TALK, [0.0, 0.0])], chat).sequences == []


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0]])
def test_wrong_weights_are_refused(chat: Chat, weights: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="2 assistant messages"):
        tokenize([SupervisedSample(TALK, weights)], chat)


def test_an_answer_to_nothing_is_refused(chat: Chat) -> None:
    with pytest.raises(InvalidArgument, match="nothing to answer"):
        tokenize([SupervisedSample([("assistant", "a")])], chat)
