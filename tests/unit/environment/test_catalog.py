from typing import Any

import pytest
import sample_environments as samples
from sample_core import OpenCore, loaded

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.catalog import Catalog
from farfield_environment.config import EnvironmentConfig
from farfield_kernel import errors
from farfield_kernel.executors import Pools
from farfield_kernel.plugins import Loaded, Plugin
from farfield_kernel.wire import struct_from, struct_to_dict


def ref(name: str = "counting", version: str = "", variant: str = "", **options: Any) -> pb.EnvironmentRef:
    return pb.EnvironmentRef(name=name, version=version, variant=variant, options=struct_from(options))


async def test_options_are_laid_over_the_variants(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        resolved = await core.catalog.resolve(ref(variant="ood", max_turns=2))
        assert struct_to_dict(resolved.ref.options) == {"goal": 7, "max_turns": 2, "label": ""}
        assert (resolved.ref.name, resolved.ref.version, resolved.ref.variant) == ("counting", "1.2.0", "ood")


async def test_what_was_resolved_resolves_to_itself(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        resolved = await core.catalog.resolve(ref(variant="ood", max_turns=2))
        again = await core.catalog.resolve(resolved.ref)
        assert again.same_as(resolved)
        assert again.ref == resolved.ref


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (ref(name=""), errors.InvalidArgument, "name one of counting"),
        (ref(name="cuonting"), errors.NotFound, "no plugin 'cuonting'.*installed: counting"),
        (ref(version="1.0.0"), errors.NotFound, r"in version 1\.2\.0, not 1\.0\.0"),
        (ref(variant="odd"), errors.NotFound, "no variant 'odd'; it has: id, ood"),
        (ref(gaol=3), errors.InvalidArgument, "gaol: unknown key; did you mean 'goal'"),
        (ref(goal=0), errors.InvalidArgument, "goal: Input should be greater than or equal to 1"),
        (ref(goal="many"), errors.InvalidArgument, "goal: .*integer"),
        (ref(goal=2.5), errors.InvalidArgument, "goal: .*integer"),
        (ref(label="break"), errors.PluginFailure, "validation raised RuntimeError: the validator broke"),
    ],
)
async def test_what_cannot_be_resolved(
    open_core: OpenCore, asked: pb.EnvironmentRef, error: type[Exception], says: str
) -> None:
    async with open_core(samples.Counting) as core:
        with pytest.raises(error, match=says):
            await core.catalog.resolve(asked)


class Nameless(samples.Counting):
    name = "other"


class Unversioned(samples.Environment):
    name = "unversioned"


class Loud(samples.Counting):
    name = "loud"
    modalities = frozenset({"text", "sound"})


class Elsewhere(samples.Counting):
    name = "elsewhere"
    executor = "moon"


class BadVariant(samples.Counting):
    name = "bad-variant"
    variants = {"x": {"goal": 1}}  # noqa: RUF012


def test_a_broken_plugin_is_shown_and_hurts_nobody_else() -> None:
    plugins = {
        "nameless": Nameless,
        "unversioned": Unversioned,
        "loud": Loud,
        "elsewhere": Elsewhere,
        "bad-variant": BadVariant,
        "function": lambda: None,
        "counting": samples.Counting,
    }
    found = Loaded(
        "g", {name: Plugin(cls, "x==1") for name, cls in plugins.items()}, {"torn": "ImportError: y"}
    )
    catalog = Catalog(found, EnvironmentConfig(), Pools(1))
    assert list(catalog.hosted) == ["counting"]
    assert catalog.broken["torn"] == "ImportError: y"
    assert "its entry point is 'nameless'" in catalog.broken["nameless"]
    assert "lacks the class attributes version, Options" in catalog.broken["unversioned"]
    assert "sound" in catalog.broken["loud"]
    assert "executor is 'moon'" in catalog.broken["elsewhere"]
    assert "AttributeError" in catalog.broken["bad-variant"]
    assert "no subclass" in catalog.broken["function"]


async def test_a_broken_plugin_is_named_when_asked_for() -> None:
    found = Loaded("g", {}, {"torn": "ImportError: y"})
    catalog = Catalog(found, EnvironmentConfig(), Pools(1))
    with pytest.raises(errors.PluginFailure, match="'torn' is installed but broken: ImportError: y"):
        await catalog.resolve(ref(name="torn"))


def test_the_operator_chooses_the_executor() -> None:
    config = EnvironmentConfig.model_validate({"executors": {"counting": "process"}})
    catalog = Catalog(loaded(samples.Counting), config, Pools(1))
    assert catalog.hosted["counting"].executor == "process"
    assert catalog.hosted["counting"].info.executor == "process"


def test_what_describe_says() -> None:
    info = Catalog(loaded(samples.Counting), EnvironmentConfig(), Pools(1)).hosted["counting"].info
    assert (info.name, info.version, info.distribution) == ("counting", "1.2.0", "samples==1")
    assert info.summary == "Say the goal to win."
    assert [(one.name, one.role) for one in info.variants] == [("id", "id"), ("ood", "ood")]
    assert '"description": "The number that ends the episode."' in info.options_schema_json
    assert (list(info.modalities), list(info.demonstration_styles)) == (["text"], ["plain"])
