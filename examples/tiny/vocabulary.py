"""The tokenizer of the tiny model: one token per word of the compact GeneralPoints language."""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END = "<pad>", "<unk>", "<end>"
ROLES = ("<system>", "<user>", "<assistant>")
SIGNS = tuple("+-*/()=:")
FACES = tuple("AJQK")
PROMPT_WORDS = ("target", "cards")
FEEDBACK_WORDS = ("wrong", "unused", "answer", "formula", "numbers", "value")
NUMBERS = tuple(str(number) for number in range(100))

WORDS = (PAD, UNKNOWN, END, *ROLES, *SIGNS, *FACES, *PROMPT_WORDS, *FEEDBACK_WORDS, *NUMBERS)

# Every message ends with the same token that ends the model's turn, and nothing depends on what comes
# later: rendering a longer conversation extends the rendering of a shorter one.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<' + message['role'] + '> ' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}{{ part['text'] }}{%- endfor -%}
{%- endif -%}
{{ ' <end> ' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<assistant> ' }}{%- endif -%}
"""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Words apart by white space; decoding puts one space between words, as the game writes them."""
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token=UNKNOWN))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=256,
    )


def save_tokenizer(folder: Path) -> None:
    build_tokenizer().save_pretrained(folder)
