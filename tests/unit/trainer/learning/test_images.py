"""Learning from images: sampled logprobs are those that are trained on, and a tower learns to see."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield.types.v1.types_pb2 import ROLE_USER, STATE_TERMINATED, Image, Part, Sampling, Verdict
from farfield.types.v1.types_pb2 import Message as Said
from farfield_kernel.errors import DataLoss, FailedPrecondition
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes
from farfield_model.chat import Chat, Message
from farfield_model.images import ImageFile
from farfield_model.tokenizing import end_ids
from farfield_model.vision import Vision
from farfield_trainer.learning.album import bind
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.layout import layout, wanted
from farfield_trainer.learning.learner import Learner
from farfield_trainer.learning.model import Policy
from farfield_trainer.learning.packing import pack
from farfield_trainer.learning.sft import SupervisedSample, Target

MakePng = Callable[..., bytes]
CPU = torch.device("cpu")
TALK = (("a b", 1), ("c", 2), ("a b", 1), ("d e", 3))
"""Words and a picture each: two that are the same."""


def sequences(seeing: tuple[Any, Any], make_png: MakePng) -> tuple[list[list[int]], list[list[ImageFile]]]:
    """Prompts with one or two images and an answer of three words; the first and third begin alike."""
    module, processor = seeing
    ends = end_ids(module, processor.tokenizer)
    chat = Chat(processor.tokenizer, ends, eyes=Vision(processor, module))
    ids, images = [], []
    for number, (words, seed) in enumerate(TALK):
        shown = [ImageFile.of(make_png(seed))]
        prompt = chat.build([], (Message("user", (shown[0], words)),))
        if number == 3:
            prompt = [*prompt, 5, 1]
            shown.append(ImageFile.of(make_png(4, 112, 56)))
            prompt = chat.build(prompt, (Message("user", ("f", shown[1])),))
        ids.append([*prompt, 5 + number, 9, 1])
        images.append(shown)
    return ids, images


def own_logprobs(seeing: tuple[Any, Any], ids: list[int], images: Sequence[ImageFile]) -> torch.Tensor:
    """Of the last three tokens, by transformers' own pass with pixels."""
    module, processor = seeing
    vision = Vision(processor, module)
    inputs = [vision.prepare(image).inputs for image in images]
    dim = 1 if module.config.model_type == "idefics3" else 0
    merged = {name: torch.cat([one[name] for one in inputs], dim) for name in inputs[0]}
    row = torch.tensor([ids])
    if module.config.model_type == "qwen2_vl":
        merged["mm_token_type_ids"] = (row == vision.image_token).int()
    with torch.no_grad():
        logits = module(input_ids=row, attention_mask=torch.ones_like(row), **merged, use_cache=False).logits[
            0
        ]
    table = vision.silence(logits.clone()).log_softmax(-1)
    return torch.stack([table[at - 1, ids[at]] for at in range(len(ids) - 3, len(ids))])


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("budget", [40, 1000])
def test_logprobs_are_those_of_the_models_own_pass(
    seeing: tuple[Any, Any], make_png: MakePng, share: bool, budget: int
) -> None:
    module, processor = seeing
    ids, images = sequences(seeing, make_png)
    vision = Vision(processor, module)
    policy = Policy(module, with_values=False, vision=vision)
    bound, album = bind(vision, module, ids, images)
    targets = [Target(number, len(one) - 3, len(one), 1.0) for number, one in enumerate(ids)]
    flat = layout(targets, len(ids))
    actual = torch.zeros(flat.tokens)
    micros = pack(bound, range(len(ids)), budget, share=share, token_cost=1000)
    for micro in micros:
        want = wanted(micro, flat, CPU)
        ones = torch.ones(len(want.tokens))
        scored = policy(micro, want.sources, want.targets, ones, want.prompts, album)
        actual[want.tokens] = scored.logprobs.detach()
    policy.model.get_output_embeddings()._forward_pre_hooks.clear()
    expected = torch.cat([own_logprobs(seeing, *pair) for pair in zip(ids, images, strict=True)])
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    if share and budget == 1000:
        places = {
            (at, node) for at, micro in enumerate(micros) for path in micro.nodes for node in path.tolist()
        }
        assert len(places) < sum(map(len, ids))


def test_wrong_numbers_of_images_are_refused(seeing: tuple[Any, Any], make_png: MakePng) -> None:
    ids, images = sequences(seeing, make_png)
    vision = Vision(seeing[1], seeing[0])
    with pytest.raises(DataLoss, match="image tokens"):
        bind(vision, seeing[0], ids, [*images[:-1], images[-1][:1]])
    with pytest.raises(FailedPrecondition, match="takes none"):
        bind(None, seeing[0], ids, images)


def episode(
    ids: list[int], image: ImageFile, answer: list[int], logprobs: list[float], reward: float
) -> Trajectory:
    turn = Turn(
        prompt_ids=ids_to_bytes(ids),
        response_ids=ids_to_bytes(answer),
        logprobs=floats_to_bytes(logprobs),
        messages=[Said(role=ROLE_USER, parts=[Part(image=Image(sha256=image.sha256)), Part(text="a")])],
        verdict=Verdict(reward=reward),
    )
    spec = EpisodeSpec(
        episode_id=str(reward), group="one", sampling=Sampling(temperature=0.7, max_new_tokens=9)
    )
    return Trajectory(spec=spec, turns=[turn], end=STATE_TERMINATED)


@pytest.mark.parametrize("estimator", ["grpo", "ppo_turn"])
async def test_what_the_engine_sampled_is_what_is_trained_on(
    vision_checkpoint: Path, make_png: MakePng, estimator: str
) -> None:
    from farfield_policy.config import TorchConfig
    from farfield_policy.embedded.engine import open_engine
    from farfield_policy.engine import Prompt
    from farfield_policy.engine import Sampling as Drawn

    images = [ImageFile.of(make_png(seed)) for seed in (1, 1, 2)]
    engine = open_engine(TorchConfig(model=str(vision_checkpoint), max_rows=4, max_context=128))
    prompts = [
        Prompt(Drawn(9, 0.7), messages=(Message("user", (image, "a")),), seed=seed)
        for seed, image in enumerate(images)
    ]
    done = await asyncio.gather(*engine.submit(prompts))
    await engine.close()
    episodes = [
        episode(list(one.prompt_ids), image, list(one.response_ids), list(one.logprobs), reward)
        for reward, (one, image) in enumerate(zip(done, images, strict=True))
    ]
    config = LearnerConfig(advantage={"estimator": estimator}, kl={"coefficient": 0.1})
    learner = Learner(config, vision_checkpoint, seed=0)
    before = {name: weight.clone() for name, weight in learner._policy.model.named_parameters()}
    figures = learner.update(episodes, {image.sha256: image.data for image in images})
    assert figures["mismatch_ratio_max"] == pytest.approx(1, abs=1e-4)
    moved = [
        name for name, weight in learner._policy.model.named_parameters() if not weight.equal(before[name])
    ]
    assert any("vision_model" in name for name in moved)
    with pytest.raises(DataLoss, match="did not come along"):
        learner.update(episodes)


def test_a_tower_learns_to_tell_pictures_apart(
    vision_checkpoint: Path, make_png: MakePng, tmp_path: Path
) -> None:
    pictures = [ImageFile.of(make_png(seed)) for seed in range(3)]
    talk = [
        SupervisedSample([("user", (picture, "a")), ("assistant", word)])
        for picture, word in zip(pictures, "xyz", strict=True)
    ]
    learner = Learner(LearnerConfig(optimizer={"learning_rate": 3e-3}), vision_checkpoint, seed=0)
    losses = [learner.fit(talk)["loss"] for _ in range(30)]
    assert losses[-1] < 0.1 < 1 < losses[0]
    learner.save_pretrained(tmp_path)
    again = Learner(LearnerConfig(), tmp_path, seed=0)
    assert again.fit(talk)["loss"] == pytest.approx(learner.fit(talk)["loss"], abs=1e-5)
