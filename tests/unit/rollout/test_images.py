"""Images travel once, are shown whole to the policy, and are named by digest in the trajectory."""

import dataclasses
import hashlib

import pytest

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT
from farfield.types.v1.types_pb2 import ROLE_USER, Image, Message, Part
from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition
from farfield_kernel.images import images_of
from farfield_rollout.episode import play
from farfield_rollout.images import ImageCache, by_digest

PNG = b"\x89PNG and so on"
DIGEST = hashlib.sha256(PNG).hexdigest()


def test_the_cache_forgets_what_was_used_least() -> None:
    cache = ImageCache(max_bytes=10)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    cache.put("c", b"1234")
    assert [digest in cache for digest in "abc"] == [True, False, True]
    cache.put("a", b"123456")
    assert cache.get("a") == b"123456"
    assert "c" in cache
    cache.put("huge", b"x" * 11)
    assert "huge" not in cache
    assert cache.get("b") is None


def test_naming_images_leaves_the_original_alone() -> None:
    shown = Message(role=ROLE_USER, parts=[Part(image=Image(sha256="d", data=b"png")), Part(text="?")])
    (named,) = by_digest([shown])
    assert [image.sha256 for image in images_of([named])] == ["d"]
    assert named.parts[0].image.data == b""
    assert shown.parts[0].image.data == b"png"


async def test_an_inline_image_reaches_the_policy_and_is_known_from_then_on(world) -> None:
    world.environment.image = Image(sha256=DIGEST, data=PNG, media_type="image/png")
    played = await play(world.claim(), world.services, world.config.retry, "w")
    assert next(images_of(world.policy.prompts[0].messages)).data == PNG
    shown = next(images_of(played.trajectory.turns[0].messages))
    assert (shown.sha256, shown.media_type, shown.data) == (DIGEST, "image/png", b"")
    assert played.blobs == {DIGEST: PNG}
    assert world.environment.known[0] == {DIGEST}
    assert world.environment.faults.calls["blobs"] == 0


async def test_an_image_by_digest_is_fetched_once(world) -> None:
    world.environment.image, world.environment.blobs = Image(sha256=DIGEST), {DIGEST: PNG}
    played = [
        await play(world.claim(world.spec(number)), world.services, world.config.retry, "w")
        for number in range(2)
    ]
    opening = [prompt for prompt in world.policy.prompts if not prompt.prefix_ids]
    shown = [image for prompt in opening for image in images_of(prompt.messages)]
    assert [image.data for image in shown] == [PNG, b""]
    assert world.environment.faults.calls["blobs"] == 1
    assert played[0].blobs[DIGEST] is played[1].blobs[DIGEST]


async def test_an_episode_holds_its_images_whatever_the_cache_forgets(world) -> None:
    services = dataclasses.replace(world.services, images=ImageCache(max_bytes=0))
    world.environment.image = Image(sha256=DIGEST, data=PNG)
    played = await play(world.claim(), services, world.config.retry, "w")
    assert DIGEST not in services.images
    assert played.blobs == {DIGEST: PNG}
    assert world.environment.known == [{DIGEST}] * 3


@pytest.mark.parametrize("inline", [True, False])
async def test_another_image_than_the_digest_says_fails_the_episode(world, inline) -> None:
    """It would be taken for the true one in other episodes."""
    world.environment.image = Image(sha256=DIGEST, data=b"another" if inline else b"")
    world.environment.blobs = {DIGEST: b"another"}
    trajectory = (await play(world.claim(), world.services, world.config.retry, "w")).trajectory
    assert trajectory.failure == FAILURE_ENVIRONMENT
    assert DIGEST in trajectory.failure_detail
    assert DIGEST not in world.services.images


async def test_later_turns_name_the_images_of_their_prefix(world) -> None:
    world.environment.image = Image(sha256=DIGEST, data=PNG)
    await play(world.claim(), world.services, world.config.retry, "w")
    first, *later = world.policy.prompts
    assert not first.prefix_images
    named = [[(image.sha256, image.data) for image in one.prefix_images] for one in later]
    assert named == [[(DIGEST, b"")]] * 2


async def test_without_token_input_each_turn_names_all_images_of_its_prompt(world) -> None:
    world.environment.image = Image(media_type="image/png", sha256=DIGEST, data=PNG)
    world.policy.token_ids_in = False
    turns = (await play(world.claim(), world.services, world.config.retry, "w")).trajectory.turns
    named = [Image(media_type="image/png", sha256=DIGEST)]
    assert [list(turn.prompt_images) for turn in turns] == [named] * 3
    assert [len(list(images_of(turn.messages))) for turn in turns] == [1, 0, 0]


async def test_a_policy_that_has_forgotten_an_image_is_sent_it_again(world) -> None:
    world.environment.image = Image(sha256=DIGEST, data=PNG)
    await play(world.claim(), world.services, world.config.retry, "w")
    world.policy.prompts.clear()
    world.policy.faults.plan("generate", FailedPrecondition("gone", reason=IMAGES_UNKNOWN))
    played = await play(world.claim(world.spec(1)), world.services, world.config.retry, "w")
    assert not played.trajectory.failure
    sent = [image.data for prompt in world.policy.prompts[:2] for image in images_of(prompt.messages)]
    assert sent == [b"", PNG]
