"""Options with models, enums, unions and lists inside, from a reference to the plugin and back."""

import json
from typing import Any

import pytest
import sample_environments as samples
from sample_core import OpenCore, create

from farfield.environment.v1 import environment_pb2 as pb
from farfield_kernel import errors
from farfield_kernel.wire import struct_from, struct_to_dict

DEFAULTS: dict[str, Any] = {
    "deck": {"suits": ["hearts", "spades"], "size": 52},
    "spare": [],
    "deal": {"kind": "random", "low": 1},
    "rule": "ten",
    "weights": {},
    "chosen": [],
    "best": 3,
}
GIVEN: dict[str, Any] = {
    "deck": {"suits": ["spades"]},
    "spare": [{"size": 3}],
    "deal": {"kind": "fixed"},
    "rule": {"size": 2},
    "weights": {"a": 0.5},
    "chosen": ["hearts"],
    "the-best": 1,
}
COMPLETE: dict[str, Any] = {
    "deck": {"suits": ["spades"], "size": 52},
    "spare": [{"suits": ["hearts", "spades"], "size": 3}],
    "deal": {"kind": "fixed", "cards": [1, 2, 3]},
    "rule": {"suits": ["hearts", "spades"], "size": 2},
    "weights": {"a": 0.5},
    "chosen": ["hearts"],
    "best": 1,
}


def ref(variant: str = "", **options: Any) -> pb.EnvironmentRef:
    return pb.EnvironmentRef(name="nested", variant=variant, options=struct_from(options))


@pytest.mark.parametrize(("given", "complete"), [({}, DEFAULTS), (GIVEN, COMPLETE)])
async def test_a_resolved_reference_is_complete_and_resolves_to_itself(
    open_core: OpenCore, given: dict[str, Any], complete: dict[str, Any]
) -> None:
    async with open_core(samples.Nested) as core:
        resolved = await core.catalog.resolve(ref(**given))
        assert struct_to_dict(resolved.ref.options) == complete
        assert (await core.catalog.resolve(resolved.ref)).same_as(resolved)


async def test_a_key_that_is_given_replaces_the_variants_value_whole(open_core: OpenCore) -> None:
    async with open_core(samples.Nested) as core:
        short = await core.catalog.resolve(ref("short"))
        assert struct_to_dict(short.ref.options)["deck"] == {"suits": ["spades"], "size": 13}
        over = await core.catalog.resolve(ref("short", deck={"size": 7}))
        assert struct_to_dict(over.ref.options)["deck"] == {"suits": ["hearts", "spades"], "size": 7}
        (variant,) = core.catalog.hosted["nested"].info.variants
        assert struct_to_dict(variant.options) == {"deck": {"suits": ["spades"], "size": 13}}


@pytest.mark.parametrize("executor", ["inline", "thread", "process"])
async def test_options_reach_the_plugin_on_every_executor(open_core: OpenCore, executor: str) -> None:
    async with open_core(samples.Nested, executors={"nested": executor}) as core:
        (session,) = await create(core, samples.Nested, **GIVEN)
        assert json.loads(session.started.facts_json)["options"] == COMPLETE


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"deck": {"suits": ["diamonds"]}}, r"deck\.suits\.0: Input should be 'hearts' or 'spades'"),
        ({"deck": {"siuts": []}}, r"deck\.siuts: unknown key; did you mean 'suits'\?"),
        ({"spare": [{}, {"size": 0}]}, r"spare\.1\.size: Input should be greater than or equal to 1"),
        ({"spare": [{"siez": 1}]}, r"spare\.0\.siez: unknown key; did you mean 'size'\?"),
        ({"deal": {"kind": "fixed", "low": 1}}, r"deal\.low: unknown key; known keys: cards, kind"),
        ({"deal": {"kind": "fixed", "cards": ["x"]}}, r"deal\.cards\.0: Input should be a valid integer"),
        ({"deal": {"kind": "dealt"}}, r"deal: Input tag 'dealt' .* 'fixed', 'random'"),
        ({"rule": {"siez": 1}}, r"rule\.siez: unknown key; did you mean 'size'\?"),
        ({"rule": "elf"}, r"rule: Input should be 'ten' or 'rank'"),
        ({"weights": {"a": "x"}}, r"weights\.a: Input should be a valid number"),
        ({"chosen": ["hearts", 3]}, r"chosen\.1: Input should be 'hearts' or 'spades'"),
    ],
)
async def test_an_error_names_the_path_as_it_was_written(
    open_core: OpenCore, wrong: dict[str, Any], says: str
) -> None:
    async with open_core(samples.Nested) as core:
        path = rf"options of environment 'nested' is not valid:\n(.*\n)?  {says}"
        with pytest.raises(errors.InvalidArgument, match=path):
            await core.catalog.resolve(ref(**wrong))


async def test_the_schema_describes_what_is_nested(open_core: OpenCore) -> None:
    async with open_core(samples.Nested) as core:
        schema = json.loads(core.catalog.hosted["nested"].info.options_schema_json)
        deck = schema["$defs"]["Deck"]["properties"]
        assert deck["suits"]["description"] == "Which suits are dealt."
        assert deck["size"] == {"default": 52, "minimum": 1, "title": "Size", "type": "integer"}
        assert schema["$defs"]["Suit"]["enum"] == ["hearts", "spades"]
        assert set(schema["properties"]["deal"]["discriminator"]["mapping"]) == {"fixed", "random"}
        assert not schema["additionalProperties"]
