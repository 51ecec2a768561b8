"""A tokenizer with one token per word, and the chat template of every tiny model."""

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Digits, Punctuation, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as Chain
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END = "<pad>", "<unk>", "<end>"
ROLES = ("<system>", "<user>", "<assistant>")
MARKS = (PAD, UNKNOWN, END, *ROLES)
"""What every vocabulary begins with."""

TEXT_PART = "{{ part['text'] }}"

# Every message ends with the same token that ends the model's turn, and nothing depends on what comes
# later: rendering a longer conversation extends the rendering of a shorter one.
_CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<' + message['role'] + '> ' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}PART{%- endfor -%}
{%- endif -%}
{{ ' <end> ' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<assistant> ' }}{%- endif -%}
"""


def chat_template(part: str = TEXT_PART) -> str:
    """The template; `part` renders one part of a message's content."""
    return _CHAT_TEMPLATE.replace("PART", part)


def word_tokenizer(words: Sequence[str], template: str, longest: int) -> PreTrainedTokenizerFast:
    """Words apart by white space; decoding puts one space between words. `longest`: tokens of a
    conversation."""
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    core.pre_tokenizer = WhitespaceSplit()
    return _fast(core, template, longest)


def digit_tokenizer(words: Sequence[str], template: str, longest: int) -> PreTrainedTokenizerFast:
    """A token for each digit, sign and word; decoding puts nothing between them, so that `- 4 2` is -42."""
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    core.pre_tokenizer = Chain([WhitespaceSplit(), Digits(individual_digits=True), Punctuation("isolated")])
    core.add_special_tokens(list(MARKS))
    core.decoder = Fuse()
    return _fast(core, template, longest)


def _fast(core: Tokenizer, template: str, longest: int) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        chat_template=template,
        clean_up_tokenization_spaces=False,
        model_max_length=longest,
    )
