"""Servers come and go with the weights."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_kernel.cluster.access import access
from farfield_kernel.cluster.api import DEPLOYMENTS, SERVICES, ClusterApi, Resource
from farfield_kernel.errors import FailedPrecondition
from farfield_model.chat import Message
from farfield_policy.engine import Prompt, Requirement, Sampling, Span, Version
from farfield_policy.tgi.config import KubernetesWeights, TgiConfig
from farfield_policy.tgi.engine import TgiEngine, open_engine
from farfield_policy.tgi.info import info_of
from farfield_policy.tgi.kubernetes import KubernetesHosting
from farfield_policy.tgi.template import ROLLOUT_LABEL

OURS = f"{ROLLOUT_LABEL}=rl"
ONE, TWO = Version("run", 1, "a"), Version("run", 2, "b")

Open = Callable[..., Any]


async def ours(api: ClusterApi, kind: Resource) -> list[dict[str, Any]]:
    return (await api.items(kind, "default", OURS))[0]


async def objects(api: ClusterApi) -> list[str]:
    """The versions that have objects, e.g. `v1`, once for each object."""
    found = [one for kind in (DEPLOYMENTS, SERVICES) for one in await ours(api, kind)]
    return sorted(one["metadata"]["name"].split("-")[1] for one in found)


async def until(api: ClusterApi, *versions: str) -> None:
    """Until these versions have their two objects each, and there are no others."""
    wanted = sorted([*versions, *versions])
    while await objects(api) != wanted:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


@pytest.fixture
def hosting(
    machine: Any,
    api: ClusterApi,
    template: Path,
    models: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Open:
    """A gateway's hosting for the length of a block."""
    monkeypatch.setattr("farfield_policy.tgi.kubernetes._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("farfield_policy.tgi.kubernetes._FIRST_DELAY", 0.02)

    @asynccontextmanager
    async def opened(model: str = "base", **config: Any) -> AsyncIterator[KubernetesHosting]:
        weights = KubernetesWeights(kind="kubernetes", template=template, name_prefix="rl", **config)
        hosting = KubernetesHosting(
            weights, ClusterApi(await access()), models(model), address=machine.address
        )
        try:
            yield hosting
        finally:
            await hosting.close()

    return opened


async def test_a_version_comes_takes_over_and_the_one_before_goes(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as gateway:
        first = await gateway.open()
        assert (await info_of(first)).model == models("base")
        assert gateway.version == Version()
        second = await gateway.serve(models("one"), ONE)
        assert (await info_of(second)).model == models("one")
        assert (await info_of(first)).model == models("base"), "responses may still run there"
        await until(api, "v0", "v1")
        await gateway.retire(first)
        await until(api, "v1")
        assert (await info_of(second)).model == models("one")


@pytest.fixture
def shows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is ready has a second to show the right model."""
    monkeypatch.setattr("farfield_policy.tgi.kubernetes._SHOW_SECONDS", 1.0)


async def test_what_does_not_come_up_is_rolled_back_and_can_be_tried_again(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as gateway:
        first = await gateway.open()
        patient = gateway._config
        gateway._config = patient.model_copy(update={"start_seconds": 0.5})
        with pytest.raises(FailedPrecondition, match=r"was not ready within 0\.5 s"):
            await gateway.serve(models("slow"), ONE)
        await until(api, "v0")
        assert (await info_of(first)).model == models("base")
        gateway._config = patient
        await gateway.serve(models("one"), ONE)
        await until(api, "v0", "v1")


@pytest.mark.usefixtures("shows_at_once")
async def test_a_server_of_another_model_is_rolled_back(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as gateway:
        first = await gateway.open()
        with pytest.raises(FailedPrecondition, match="its /info shows 'another'"):
            await gateway.serve(models("wrong"), ONE)
        await until(api, "v0")
        assert (await info_of(first)).model == models("base")


async def test_the_next_gateway_adopts_the_newest_that_works_and_deletes_the_rest(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as dies:
        await dies.open()
        served = await dies.serve(models("one"), ONE)
        coming = asyncio.ensure_future(dies.serve(models("slow"), TWO))
        await until(api, "v0", "v1", "v2")
        coming.cancel()
    await until(api, "v0", "v1", "v2")  # a gateway that ends leaves its servers
    async with hosting() as adopts:
        assert await adopts.open() == served
        assert adopts.version == ONE
        await until(api, "v1")


async def test_a_changed_template_brings_up_the_same_weights_anew(
    hosting: Open, api: ClusterApi, template: Path, models: Callable[[str], str]
) -> None:
    async with hosting() as before:
        await before.retire(await before.open())
        served = await before.serve(models("one"), ONE)
        await until(api, "v1")
    template.write_text(template.read_text().replace("tgi:3.3.7", "tgi:3.3.8"))  # noqa: ASYNC240
    async with hosting() as now:
        assert await now.open() != served
        assert now.version == ONE
        await until(api, "v1")
    [deployment] = await ours(api, DEPLOYMENTS)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "tgi:3.3.8"


async def test_a_model_that_is_no_longer_configured_is_not_adopted(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as before:
        await before.open()
    async with hosting("other") as now:
        assert (await info_of(await now.open())).model == models("other")
        await until(api, "v0")


async def test_a_rollout_that_is_half_made_is_gone_on_with(
    hosting: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with hosting() as gateway:
        await gateway.open()
        url = await gateway.serve(models("one"), ONE)
        [service] = [one for one in await ours(api, SERVICES) if "v1" in one["metadata"]["name"]]
        await api.delete(SERVICES, "default", service["metadata"]["name"])
        assert await gateway.serve(models("one"), ONE) == url
        await until(api, "v0", "v1")


def foreign(template: Path, model: str) -> list[dict[str, Any]]:
    """A server that somebody else runs."""
    return list(yaml.safe_load_all(template.read_text().replace("__MODEL__", model)))


async def test_others_are_left_alone(
    hosting: Open, api: ClusterApi, cluster: Any, template: Path, models: Callable[[str], str]
) -> None:
    cluster.apply(*foreign(template, models("base")))
    async with hosting() as gateway:
        first = await gateway.open()
        await gateway.serve(models("one"), ONE)
        await gateway.retire(first)
        await until(api, "v1")
    assert await api.find(DEPLOYMENTS, "default", "tgi") is not None
    assert await api.find(SERVICES, "default", "tgi") is not None


class Held:
    """A generation that arrives and is answered when it may be."""

    def __init__(self) -> None:
        self.arrived, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        self.arrived.set()
        await self.released.wait()
        return await handler(request)


@pytest.fixture
def open_gateway(hosting: Open, template: Path, models: Callable[[str], str]) -> Open:
    """The whole engine, for the length of a block."""

    @asynccontextmanager
    async def opened(**weights: Any) -> AsyncIterator[TgiEngine]:
        config = TgiConfig(
            kind="tgi", model_path=models("base"), weights={"kind": "kubernetes", "template": template}
        )
        async with hosting(**weights) as gateway:
            engine = await open_engine(config, gateway)
            try:
                yield engine
            finally:
                await engine.close()

    return opened


def ask(require: Requirement | None = None) -> Prompt:
    return Prompt(Sampling(8, 1.0), messages=(Message("user", "a b c"),), seed=3, require=require)


async def test_what_runs_ends_on_the_old_weights_and_what_comes_begins_on_the_new(
    open_gateway: Open, api: ClusterApi, machine: Any, models: Callable[[str], str]
) -> None:
    async with open_gateway() as engine:
        held = Held()
        machine.faults.then(held)
        [running] = engine.submit([ask()])
        await held.arrived.wait()
        assert (await engine.load_weights(models("one"), ONE)).weights == ONE
        [come] = await asyncio.gather(*engine.submit([ask()]))
        assert (come.run_id, come.spans) == ("run", (Span(1, len(come.response_ids)),))
        await until(api, "v0", "v1")
        held.released.set()
        done = await running
        assert (done.run_id, done.spans) == ("", (Span(0, len(done.response_ids)),))
        assert done.response_ids == come.response_ids, "the models of this test are one and the same"
        await until(api, "v1")


async def test_weights_wait_until_they_are_far_enough_ahead_or_required(
    open_gateway: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with open_gateway(every=3) as engine:
        await engine.load_weights(models("one"), ONE)
        assert (await engine.load_weights(models("two"), TWO)).weights == ONE
        await until(api, "v1")
        [done] = await asyncio.gather(*engine.submit([ask(Requirement("run", 2))]))
        assert done.spans[0].version == 2
        await until(api, "v2")


@pytest.mark.usefixtures("shows_at_once")
async def test_weights_that_do_not_come_up_leave_the_engine_as_it_was(
    open_gateway: Open, api: ClusterApi, models: Callable[[str], str]
) -> None:
    async with open_gateway() as engine:
        await engine.load_weights(models("one"), ONE)
        with pytest.raises(FailedPrecondition, match="what served before serves on"):
            await engine.load_weights(models("wrong"), TWO)
        await until(api, "v1")
        with pytest.raises(FailedPrecondition, match="it is tried again in"):
            await engine.load_weights(models("wrong"), TWO)
        [done] = await asyncio.gather(*engine.submit([ask(Requirement("run", 1))]))
        assert done.spans[0].version == 1
    async with open_gateway() as engine:
        assert engine.describe().weights == ONE


async def test_servers_go_with_their_owner(
    hosting: Open, api: ClusterApi, cluster: Any, template: Path, models: Callable[[str], str]
) -> None:
    async with hosting(owner="tgi") as gateway:
        with pytest.raises(FailedPrecondition, match="no such Deployment"):
            await gateway.open()
    cluster.apply(*foreign(template, models("base")))
    async with hosting(owner="tgi") as gateway:
        await gateway.open()
    await api.delete(DEPLOYMENTS, "default", "tgi")
    await until(api)
