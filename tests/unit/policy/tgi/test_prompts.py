"""The text that is sent, and the ids that a server makes of it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tokenizers import processors

from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition
from farfield_model.chat import Chat, Message
from farfield_model.images import ImageFile
from farfield_model.tokenizing import load_tokenizer
from farfield_policy.engine import Prompt, Sampling
from farfield_policy.tgi.prompts import Shelf, Writer, open_writer

ROOT = Path(__file__).parents[4]
TEXT, PICTURES = ROOT / "examples" / "tiny" / "checkpoint", ROOT / "examples" / "tiny-vl" / "checkpoint"
SAID = (Message("user", "a b"), Message("assistant", "c"), Message("user", "d"))
WITH_BOS = (
    "<pad>{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def prompt(*messages: Message) -> Prompt:
    return Prompt(Sampling(4), messages=messages)


def writer(tokenizer: Any) -> Writer:
    eos_ids = (tokenizer.eos_token_id,)
    return Writer(tokenizer, Chat(tokenizer, eos_ids, allow_rewriting=True), eos_ids, False, 0)


def test_ids_are_those_that_the_native_engine_prefills() -> None:
    tokenizer = load_tokenizer(TEXT)
    written = open_writer(str(TEXT), 0).write(prompt(*SAID))
    assert written.ids == Chat(tokenizer, ()).build((), SAID)
    assert tokenizer.encode(written.text) == written.ids


def test_what_the_server_puts_before_every_text_is_taken_off(
    make_word_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = make_word_tokenizer(WITH_BOS)
    core = tokenizer.backend_tokenizer
    core.post_processor = processors.TemplateProcessing(single="<pad> $A", special_tokens=[("<pad>", 0)])
    written = writer(tokenizer).write(prompt(*SAID))
    assert not written.text.startswith("<pad>")
    assert written.ids[:2] == [0, 3]
    assert tokenizer.encode(written.text) == written.ids


def test_what_the_server_adds_and_the_template_lacks_is_told(
    make_word_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = make_word_tokenizer()
    core = tokenizer.backend_tokenizer
    core.post_processor = processors.TemplateProcessing(single="<pad> $A", special_tokens=[("<pad>", 0)])
    written = writer(tokenizer).write(prompt(*SAID))
    assert written.ids[:2] == [0, 3]
    assert tokenizer.encode(written.text) == written.ids


def test_a_tokenizer_that_ends_every_text_is_refused(make_word_tokenizer: Callable[..., Any]) -> None:
    tokenizer = make_word_tokenizer()
    core = tokenizer.backend_tokenizer
    core.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 1)])
    with pytest.raises(FailedPrecondition, match=r"'<end>'.* after every text"):
        writer(tokenizer)


def test_a_tokenizer_without_a_chat_template_is_refused(
    make_word_tokenizer: Callable[..., Any], tmp_path: Path
) -> None:
    make_word_tokenizer(None).save_pretrained(tmp_path)
    with pytest.raises(FailedPrecondition, match="has no chat template"):
        open_writer(str(tmp_path), 0)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="none', which is no folder here"):
        open_writer(str(tmp_path / "none"), 0)


def picture(colour: str = "red", kind: str = "PNG") -> ImageFile:
    data = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(data, kind)
    return ImageFile.of(data.getvalue())


@pytest.mark.parametrize(("kind", "media"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_images_are_markdown_where_they_stand(kind: str, media: str) -> None:
    image = picture(kind=kind)
    written = open_writer(str(PICTURES), 1 << 20).write(prompt(Message("user", ("see ", image, " now"))))
    before, _, after = written.text.partition("![](data:image/")
    assert before.endswith("see ")
    assert after.startswith(f"{media};base64,")
    assert after.partition(")")[2].startswith(" now")
    assert written.images == 1
    assert len(written.ids) > 4


def test_an_image_comes_once() -> None:
    shelf, image = Shelf(1 << 20), picture()
    whole = shelf.complete(Message("user", (image,)))
    assert shelf.complete(Message("user", (ImageFile(image.sha256),))) == whole
    with pytest.raises(FailedPrecondition) as caught:
        shelf.complete(Message("user", (ImageFile("0" * 64),)))
    assert caught.value.reason == IMAGES_UNKNOWN


def test_images_beyond_the_limit_are_forgotten_oldest_first() -> None:
    first, second = picture("red"), picture("blue")
    shelf = Shelf(len(second.data))
    for image in (first, second):
        shelf.complete(Message("user", (image,)))
    shelf.complete(Message("user", (ImageFile(second.sha256),)))
    with pytest.raises(FailedPrecondition):
        shelf.complete(Message("user", (ImageFile(first.sha256),)))
