from collections.abc import Callable
from typing import Any

import pytest

from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_model.chat import Chat, Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATML_SPECIAL = ("<|im_start|>",)
LLAMA3 = (
    "<|begin|>{% for message in messages %}<|header|>{{ message.role }}<|/header|>\n\n"
    "{{ message.content | trim }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|header|>assistant<|/header|>\n\n{% endif %}"
)
LLAMA3_SPECIAL = ("<|begin|>", "<|header|>", "<|/header|>")
# Drops reasoning from earlier answers, as templates of reasoning models do.
REWRITING = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' and loop.last %}<think></think>{% endif %}"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MakeTokenizer = Callable[..., Any]


def chatml(make: MakeTokenizer, **options: Any) -> tuple[Chat, Any]:
    tokenizer = make(CHATML, CHATML_SPECIAL, "<|im_end|>")
    return Chat(tokenizer, [tokenizer.eos_token_id], **options), tokenizer


def conversation(chat: Chat, tokenizer: Any, ends: bool) -> tuple[list[int], str]:
    """Ids of two turns, and the text that the template renders for the same two turns."""
    first = chat.build([], (Message("system", "Be brief."), Message("user", "Hi")))
    answer = tokenizer.encode("Hello", add_special_tokens=False)
    played = [*first, *answer, *([tokenizer.eos_token_id] if ends else [])]
    whole = chat.build(played, (Message("user", "More"),))
    assert whole[: len(played)] == played
    rendered = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "More"},
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    return whole, rendered


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(
    ("template", "special", "eos"),
    [(CHATML, CHATML_SPECIAL, "<|im_end|>"), (LLAMA3, LLAMA3_SPECIAL, "<|eot|>")],
)
def test_prefix_and_new_messages_are_the_rendered_conversation(
    make_byte_tokenizer: MakeTokenizer, template: str, special: tuple[str, ...], eos: str, ends: bool
) -> None:
    tokenizer = make_byte_tokenizer(template, special, eos)
    chat = Chat(tokenizer, [tokenizer.eos_token_id])
    ids, rendered = conversation(chat, tokenizer, ends)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == rendered
    assert ids == tokenizer.encode(rendered, add_special_tokens=False)


def test_another_end_of_sequence_id_also_ends_the_turn(make_byte_tokenizer: MakeTokenizer) -> None:
    tokenizer = make_byte_tokenizer(LLAMA3, (*LLAMA3_SPECIAL, "<|eom|>"), "<|eot|>")
    other = tokenizer.convert_tokens_to_ids("<|eom|>")
    chat = Chat(tokenizer, [tokenizer.eos_token_id, other])
    whole = chat.build([5, other], (Message("user", "More"),))
    assert tokenizer.eos_token_id not in whole[: whole.index(tokenizer.convert_tokens_to_ids("<|header|>"))]


def test_sampled_ids_are_kept_even_where_the_tokenizer_would_split_otherwise(
    make_word_tokenizer: MakeTokenizer,
) -> None:
    chat = Chat(make_word_tokenizer(), [1])
    odd = [3, 0, 4, 9, 9]  # no text encodes to this
    assert chat.build(odd, (Message("user", "a b"),)) == [*odd, 1, 3, 5, 6, 1, 4]
    assert chat.build([*odd, 1], (Message("user", "a b"),)) == [*odd, 1, 3, 5, 6, 1, 4]


def test_a_template_whose_answers_do_not_end_with_eos_gets_the_whole_ending(
    make_word_tokenizer: MakeTokenizer,
) -> None:
    chat = Chat(make_word_tokenizer(), [0])
    assert chat.build([5, 0], (Message("user", "a"),)) == [5, 0, 1, 3, 5, 1, 4]


def test_without_messages_the_prefix_is_the_prompt(make_byte_tokenizer: MakeTokenizer) -> None:
    chat, _ = chatml(make_byte_tokenizer)
    assert chat.build([7, 8], ()) == [7, 8]


def test_the_same_messages_are_rendered_once(make_byte_tokenizer: MakeTokenizer) -> None:
    chat, tokenizer = chatml(make_byte_tokenizer)
    before = chat.build([7], (Message("user", "again"),))
    tokenizer.chat_template = "{{ raise_exception('rendered again') }}"
    assert chat.build([7], (Message("user", "again"),)) == before


def test_a_template_that_rewrites_history_is_refused_unless_allowed(
    make_byte_tokenizer: MakeTokenizer,
) -> None:
    tokenizer = make_byte_tokenizer(REWRITING, CHATML_SPECIAL, "<|im_end|>")
    with pytest.raises(FailedPrecondition, match=r"not append-only.*allow_rewriting_template"):
        Chat(tokenizer, [tokenizer.eos_token_id])
    chat = Chat(tokenizer, [tokenizer.eos_token_id], allow_rewriting=True)
    more = chat.build([5, tokenizer.eos_token_id], (Message("user", "More"),))
    assert tokenizer.decode(more[2:]) == "\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        ("{% set day = strftime_now('%d %b %Y') %}{{ day }}", "26 Jul 2024"),
        ("{% if strftime_now is defined %}{{ strftime_now('%Y-%m-%d') }}{% endif %}", "2024-07-26"),
        ("{% macro today() %}{{ strftime_now('%B %d, %Y') }}{% endmacro %}{{ today() }}", "July 26, 2024"),
    ],
)
def test_a_prompt_is_the_same_on_every_day(make_byte_tokenizer: MakeTokenizer, asks: str, told: str) -> None:
    tokenizer = make_byte_tokenizer(asks + CHATML, CHATML_SPECIAL, "<|im_end|>")
    chat = Chat(tokenizer, [tokenizer.eos_token_id])
    assert chat.render([Message("user", "Hi")]).startswith(told + "<|im_start|>user\nHi")


def test_a_template_that_hides_answers_is_refused(make_byte_tokenizer: MakeTokenizer) -> None:
    hides = "{% for message in messages if message.role == 'user' %}{{ message.content }}{% endfor %}"
    with pytest.raises(FailedPrecondition, match="exactly once"):
        Chat(make_byte_tokenizer(hides, (), "<end>"), [1])


def test_without_a_template_messages_are_refused_and_ids_taken(make_byte_tokenizer: MakeTokenizer) -> None:
    chat = Chat(make_byte_tokenizer(None, (), "<end>"), [1])
    assert chat.build([3, 4], ()) == [3, 4]
    with pytest.raises(FailedPrecondition, match="no chat template"):
        chat.build([3, 4], (Message("user", "Hi"),))


def test_messages_that_the_template_refuses_are_the_callers_fault(make_byte_tokenizer: MakeTokenizer) -> None:
    strict = (
        "{% for message in messages %}{% if message.role == 'system' and not loop.first %}"
        "{{ raise_exception('system comes first') }}{% endif %}<{{ message.role }}>{{ message.content }}<end>"
        "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    tokenizer = make_byte_tokenizer(strict, ("<user>", "<assistant>", "<system>"), "<end>")
    chat = Chat(tokenizer, [tokenizer.eos_token_id])
    with pytest.raises(InvalidArgument, match="system comes first"):
        chat.build([5], (Message("system", "late"),))


def test_text_has_no_special_tokens(make_byte_tokenizer: MakeTokenizer) -> None:
    chat, tokenizer = chatml(make_byte_tokenizer)
    assert chat.decode(tokenizer.encode("<|im_start|> a , b<|im_end|>")) == " a , b"


def test_an_answer_closes_as_the_template_closes_it(make_word_tokenizer: MakeTokenizer) -> None:
    """Of several ends, the one that the template writes; what stands before it is not sampled."""
    tokenizer = make_word_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<end>", "z <end>")
    chat = Chat(tokenizer, [0, 1])
    a = tokenizer.convert_tokens_to_ids("a")
    assert chat.answer("a") == [a, 1]
