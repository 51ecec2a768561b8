"""The torch engine with vision-language models of several architectures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition, InvalidArgument, Unavailable
from farfield_model.chat import Chat, Message
from farfield_model.images import ImageFile
from farfield_model.tokenizing import end_ids
from farfield_model.vision import Vision
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.embedded.model import Model
from farfield_policy.engine import Completion, Forced, Prompt, Sampling, Version

MakePng = Callable[..., bytes]


@pytest.fixture
async def engine(seeing: tuple[Any, Any], request: pytest.FixtureRequest) -> AsyncIterator[TorchEngine]:
    module, processor = seeing
    vision = Vision(processor, module)
    ends = end_ids(module, processor.tokenizer)
    config = TorchConfig(model="unused", max_rows=8, max_context=200, **getattr(request, "param", {}))
    opened = TorchEngine(
        config, Model(module, 200, vision=vision), Chat(processor.tokenizer, ends, eyes=vision), ends
    )
    yield opened
    await opened.close()


def look(*content: str | ImageFile, seed: int = 0, **more: Any) -> Prompt:
    return Prompt(Sampling(12, 1.0), messages=(Message("user", content),), seed=seed, **more)


async def answers(engine: TorchEngine, *prompts: Prompt) -> list[Completion]:
    return list(await asyncio.gather(*engine.submit(prompts)))


def expected(seeing: tuple[Any, Any], text: str, images: list[ImageFile], done: Completion) -> list[float]:
    """Logprobs by transformers' own forward pass over the whole conversation, the image token silenced."""
    from farfield_model.images import pixels

    module, processor = seeing
    opened = [pixels(image) for image in images]
    encoded = processor(text=[text], images=[opened], add_special_tokens=False, return_tensors="pt")
    prompt = encoded["input_ids"][0].tolist()
    assert prompt == list(done.prompt_ids)
    ids = torch.tensor([[*prompt, *done.response_ids]])
    encoded["input_ids"], encoded["attention_mask"] = ids, torch.ones_like(ids)
    encoded["mm_token_type_ids"] = (ids == module.config.image_token_id).int()
    counts_images = module.config.model_type == "qwen2_vl"
    accepted = {
        name: value for name, value in encoded.items() if name != "mm_token_type_ids" or counts_images
    }
    with torch.inference_mode():
        logits = module(**accepted, use_cache=False).logits[0].float()
        logits[:, module.config.image_token_id] = float("-inf")
        logprobs = logits.log_softmax(-1)
    return [logprobs[len(prompt) - 1 + at, token].item() for at, token in enumerate(done.response_ids)]


async def test_sampled_logprobs_are_those_of_the_models_own_pass(
    engine: TorchEngine, seeing: tuple[Any, Any], make_png: MakePng
) -> None:
    mark = seeing[1].image_token
    first, second = ImageFile.of(make_png(1)), ImageFile.of(make_png(2, 112, 56))
    done, other, plain = await answers(
        engine, look(first, "a b"), look("c", second, "d", first, seed=1), look("e f g", seed=2)
    )
    assert done.logprobs == pytest.approx(
        expected(seeing, f"<user>  {mark} a b <end> <assistant> ", [first], done), abs=1e-4
    )
    text = f"<user> c {mark} d {mark}  <end> <assistant> "
    assert other.logprobs == pytest.approx(expected(seeing, text, [second, first], other), abs=1e-4)
    assert len(plain.logprobs) == len(plain.response_ids)


async def test_a_conversation_goes_on_by_ids_and_images(
    engine: TorchEngine, seeing: tuple[Any, Any], make_png: MakePng
) -> None:
    first, second = ImageFile.of(make_png(1)), ImageFile.of(make_png(2, 112, 56))
    (begun,) = await answers(engine, look(first, "a b"))
    prefix = (*begun.prompt_ids, *begun.response_ids)
    (done,) = await answers(
        engine, look(second, "again", prefix_ids=prefix, prefix_images=(ImageFile(first.sha256),))
    )
    assert done.prompt_ids[: len(prefix)] == list(prefix)
    scored = await engine.score([Forced(done.prompt_ids, done.response_ids, 1.0, (first, second))])
    assert scored.results[0].logprobs == pytest.approx(done.logprobs, abs=1e-4)  # type: ignore[union-attr]


async def test_the_same_words_about_another_image_share_nothing(
    engine: TorchEngine, make_png: MakePng
) -> None:
    images = [ImageFile.of(make_png(seed)) for seed in range(3)]
    prompts = [look(image, "a b c d e f g h i j k l m n o p") for image in [*images, images[0]]]
    together = await answers(engine, *prompts)
    again = await answers(engine, *prompts)
    alone = [(await answers(engine, prompt))[0] for prompt in prompts]
    for one, two, three in zip(together, again, alone, strict=True):
        assert one.response_ids == two.response_ids == three.response_ids
        assert one.logprobs == pytest.approx(three.logprobs, abs=1e-4)
    assert together[0].logprobs != pytest.approx(together[1].logprobs, abs=1e-3)
    assert together[0].response_ids == together[3].response_ids


async def test_an_image_is_sent_once(engine: TorchEngine, make_png: MakePng) -> None:
    image = ImageFile.of(make_png(1))
    named = look(ImageFile(image.sha256), "a")
    with pytest.raises(FailedPrecondition, match="does not have the bytes") as raised:
        await answers(engine, named)
    assert raised.value.reason == IMAGES_UNKNOWN
    (sent,) = await answers(engine, look(image, "a"))
    (repeated,) = await answers(engine, named)
    assert repeated.response_ids == sent.response_ids


async def test_closing_answers_prompts_that_are_still_being_read(
    engine: TorchEngine, make_png: MakePng
) -> None:
    futures = [
        future
        for seed in range(30)
        for future in engine.submit([look(ImageFile.of(make_png(seed, 560, 560)), "a", seed=seed)])
    ]
    scoring = asyncio.ensure_future(engine.score([Forced((5,), (6,))]))
    await engine.close()
    outcomes = await asyncio.wait_for(asyncio.gather(*futures, scoring, return_exceptions=True), 20)
    assert {type(one) for one in outcomes} <= {Unavailable, Completion}
    assert isinstance(outcomes[-2], Unavailable)


async def test_wrong_images_are_refused_one_by_one(engine: TorchEngine, make_png: MakePng) -> None:
    image = ImageFile.of(make_png(1))
    broken = ImageFile.of(image.data[: len(image.data) // 2])
    outcomes = await asyncio.gather(
        *engine.submit(
            [
                look(ImageFile.of(b"not an image"), "a"),
                look(broken, "a"),
                look("a", prefix_ids=(5,), prefix_images=(image,)),
                look("a", prefix_ids=(engine._model.vision.image_token, 5)),
                look(image, "a"),
            ]
        ),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes] == [InvalidArgument] * 4 + [Completion]
    assert "none of PNG" in str(outcomes[0])
    assert "damaged" in str(outcomes[1])
    assert "prefix_images" in str(outcomes[2])
    assert "prefix_images" in str(outcomes[3])


async def test_a_message_must_not_pretend_to_hold_an_image(
    engine: TorchEngine, seeing: tuple[Any, Any]
) -> None:
    with pytest.raises(InvalidArgument, match="stands for an image"):
        await answers(engine, look(f"see {seeing[1].image_token} here"))


async def test_a_folder_serves_images_and_text_models_refuse_them(
    vision_checkpoint: Path, checkpoint: Path, make_png: MakePng
) -> None:
    image = ImageFile.of(make_png(1))
    for folder, sees in ((vision_checkpoint, True), (checkpoint, False)):
        engine = open_engine(TorchConfig(model=str(folder), max_rows=4, max_context=128))
        assert engine.describe().capabilities.images is sees
        (future,) = engine.submit([look(image, "a")])
        if sees:
            assert (await future).response_ids
        else:
            with pytest.raises(FailedPrecondition, match="takes no images"):
                await future
        await engine.close()


async def test_new_weights_see_with_new_eyes(
    vision_checkpoint: Path,
    vision_models: Any,
    make_word_tokenizer: Callable[[], Any],
    tmp_path: Path,
    make_png: MakePng,
) -> None:
    other, processor = vision_models.idefics3(make_word_tokenizer(), seed=5)
    other.save_pretrained(tmp_path)
    engine = open_engine(TorchConfig(model=str(vision_checkpoint), max_rows=4, max_context=128))
    prompt = look(ImageFile.of(make_png(1)), "a b")
    (before,) = await answers(engine, prompt)
    await engine.load_weights(str(tmp_path), Version("run", 1))
    (after,) = await answers(engine, prompt)
    text = "<user>  <image> a b <end> <assistant> "
    images = [ImageFile.of(make_png(1))]
    assert after.logprobs == pytest.approx(expected((other, processor), text, images, after), abs=1e-4)
    assert before.logprobs != pytest.approx(after.logprobs, abs=1e-3)
    await engine.close()


@pytest.mark.parametrize("engine", [{"deterministic": True}], indirect=True)
async def test_deterministic_mode_holds_with_images(engine: TorchEngine, make_png: MakePng) -> None:
    prompts = [look(ImageFile.of(make_png(seed)), "a b", seed=seed) for seed in range(4)]
    together = await answers(engine, *prompts)
    alone = [(await answers(engine, prompt))[0] for prompt in prompts]
    assert [one.logprobs for one in together] == [one.logprobs for one in alone]
