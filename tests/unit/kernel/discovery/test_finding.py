"""Who is asked, who is found, and what is said where nobody is."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from farfield.verifier.v1.verifier_pb2 import Leaf, RewardPlan, WeightedSum
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind, Replica, Service
from farfield_kernel.discovery.describing import Description, Plugin
from farfield_kernel.discovery.finding import EnvironmentFinder, LaneFinder, VerifierFinder
from farfield_kernel.discovery.hosting import Hosting
from farfield_kernel.discovery.memory import MemoryDirectory
from farfield_kernel.errors import FailedPrecondition, NotFound, PermissionDenied, Unavailable
from farfield_kernel.metrics import REGISTRY


class Town:
    """Services that say what they host, by address, and a directory of them."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.directory = MemoryDirectory()
        self.says: dict[str, Description | Exception] = {}
        self.asked: list[str] = []
        self._news = asyncio.Event()
        self.hosting = Hosting(self.directory, kind, ClientConfig(address="-"), self._ask)

    async def _ask(self, kind: Kind, config: ClientConfig) -> Description:
        self.asked.append(config.address)
        self._news.set()
        said = self.says[config.address]
        if isinstance(said, Exception):
            raise said
        return said

    async def until_asked(self, address: str) -> None:
        """And its answer is known."""
        while address not in self.asked:
            self._news.clear()
            await self._news.wait()
        await self.hosting.look()

    def put(self, name: str, *plugins: str, order: str = "", digest: str = "", says=None, plans=()) -> None:
        """Plugins as `name` or `name@version`."""
        pairs = [plugin.partition("@")[::2] for plugin in plugins]
        hosted = {one: Plugin(one, version or "1.0.0", digest or "d") for one, version in pairs}
        self.says[f"{name}:1"] = says or Description(hosted, {}, frozenset(plans))
        self.directory.put(Service(name, self.kind, (Replica(f"{name}:1"),), order=order))


@pytest.fixture
def town() -> Town:
    return Town(Kind.ENVIRONMENT)


@pytest.fixture
def court() -> Town:
    return Town(Kind.VERIFIER)


@pytest.fixture
async def followed(town: Town) -> AsyncIterator[Town]:
    following = asyncio.ensure_future(town.hosting.follow())
    yield town
    following.cancel()


def names(services) -> list[str]:
    return [service.name for service in services]


class TestEnvironments:
    async def test_the_service_that_hosts_it(self, town: Town) -> None:
        town.put("a", "cards")
        town.put("b", "streets", "mazes")
        finder = EnvironmentFinder(town.hosting)
        assert names(await finder.find("mazes")) == ["b"]
        assert names(await finder.find("cards")) == ["a"]
        assert sorted(town.asked) == ["a:1", "b:1"], "each once"

    async def test_services_that_host_it_alike_share_the_episodes(self, town: Town) -> None:
        town.put("b", "cards", order="1")
        town.put("a", "cards", order="2")
        assert names(await EnvironmentFinder(town.hosting).find("cards")) == ["b", "a"]

    async def test_of_different_ones_the_first_made_has_it(self, town: Town, caplog) -> None:
        town.put("b", "cards", order="1", digest="x")
        town.put("a", "cards", order="2", digest="y")
        finder = EnvironmentFinder(town.hosting)
        assert names(await finder.find("cards")) == ["b"]
        assert names(await finder.find("cards")) == ["b"]
        warnings = [one.message for one in caplog.records if one.levelno == logging.WARNING]
        assert warnings == [
            "environment cards is hosted differently by several services: it is played at b, and not at a"
        ]

    async def test_a_version_chooses_among_them(self, town: Town) -> None:
        town.put("b", "cards@1.0.0", order="1", digest="x")
        town.put("a", "cards@2.0.0", order="2", digest="y")
        finder = EnvironmentFinder(town.hosting)
        assert names(await finder.find("cards", "2.0.0")) == ["a"]
        with pytest.raises(NotFound, match=r"not hosted in version 3.0.0: b has cards 1.0.0; a has cards 2"):
            await finder.find("cards", "3.0.0")

    async def test_one_that_joins_is_found(self, followed: Town) -> None:
        finder = EnvironmentFinder(followed.hosting)
        followed.put("a", "cards")
        with pytest.raises(NotFound, match=r"no environment 'mazes'; of environment services, a has cards 1"):
            await finder.find("mazes")
        followed.put("b", "mazes")
        await followed.until_asked("b:1")
        assert names(await finder.find("mazes")) == ["b"]

    async def test_one_that_left_may_come_back(self, followed: Town) -> None:
        finder = EnvironmentFinder(followed.hosting)
        followed.put("a", "cards")
        assert names(await finder.find("cards")) == ["a"]
        followed.directory.remove(Kind.ENVIRONMENT, "a")
        with pytest.raises(Unavailable, match="was hosted before, and may come back"):
            await finder.find("cards")

    async def test_while_somebody_is_silent_nothing_is_said_for_good(self, town: Town, caplog) -> None:
        town.put("a", "cards")
        town.put("quiet", says=Unavailable("refused the connection"))
        with pytest.raises(Unavailable, match=r"not all do: quiet \(refused the connection\)"):
            await EnvironmentFinder(town.hosting).find("mazes")
        assert "environment quiet is left out: refused the connection" in caplog.text
        answers = {"kind": "environment", "service": "quiet"}
        assert REGISTRY.get_sample_value("farfield_discovery_service_answers", answers) == 0
        assert names(await EnvironmentFinder(town.hosting).find("cards")) == ["a"]

    async def test_a_stranger_that_answers_nonsense_hurts_nobody_else(self, town: Town) -> None:
        town.put("a", "cards")
        town.put("odd", says=ValueError("not what was asked"))
        assert names(await EnvironmentFinder(town.hosting).find("cards")) == ["a"]
        with pytest.raises(Unavailable, match=r"odd \(ValueError: not what was asked\)"):
            await EnvironmentFinder(town.hosting).find("mazes")

    async def test_a_service_without_replicas_is_silent(self, town: Town) -> None:
        town.directory.put(Service("a", Kind.ENVIRONMENT))
        with pytest.raises(Unavailable, match="no replica that is ready"):
            await EnvironmentFinder(town.hosting).find("cards")

    async def test_another_contract_is_refused_and_named(self, town: Town) -> None:
        town.put("new", says=FailedPrecondition("it speaks farfield.environment.v2"))
        with pytest.raises(NotFound, match=r"new is left out: it speaks farfield\.environment\.v2"):
            await EnvironmentFinder(town.hosting).find("cards")

    async def test_an_account_that_may_not_look_is_given_time(self, town: Town) -> None:
        async def refuse() -> None:
            raise PermissionDenied("not allowed to list services")

        town.directory.look = refuse
        with pytest.raises(Unavailable, match="cannot look for environment 'cards': not allowed to list"):
            await EnvironmentFinder(town.hosting).find("cards")

    async def test_a_service_that_changes_is_asked_anew(self, followed: Town) -> None:
        followed.put("a", "cards")
        finder = EnvironmentFinder(followed.hosting)
        await finder.find("cards")
        followed.says["new:1"] = Description({"mazes": Plugin("mazes", "1", "d")}, {})
        followed.directory.put(Service("a", Kind.ENVIRONMENT, (Replica("new:1"),)))
        await followed.until_asked("new:1")
        assert names(await finder.find("mazes")) == ["a"]


def leaf(name: str, version: str = "") -> RewardPlan:
    return RewardPlan(leaf=Leaf(verifier=name, version=version))


def both(*plans: RewardPlan) -> RewardPlan:
    terms = [WeightedSum.Term(weight=1, plan=plan) for plan in plans]
    return RewardPlan(weighted_sum=WeightedSum(terms=terms))


class TestVerifiers:
    async def test_a_plan_goes_where_all_its_leaves_are(self, court: Town) -> None:
        court.put("a", "exact", order="1")
        court.put("b", "exact", "style", order="2")
        finder = VerifierFinder(court.hosting)
        assert names(await finder.find(leaf("exact"))) == ["a"]
        assert names(await finder.find(both(leaf("exact"), leaf("style")))) == ["b"]

    async def test_leaves_at_several_places_are_named_with_the_cure(self, court: Town) -> None:
        court.put("a", "exact")
        court.put("b", "style")
        with pytest.raises(NotFound, match=r"'exact' at a; 'style' at b\. A reward is judged by one service"):
            await VerifierFinder(court.hosting).find(both(leaf("exact"), leaf("style")))

    async def test_what_is_nowhere_is_named_with_what_there_is(self, court: Town) -> None:
        court.put("a", "exact@2.0.0", "style")
        with pytest.raises(NotFound, match=r"no verifier 'exakt'; .* a has exact 2\.0\.0, style 1\.0\.0"):
            await VerifierFinder(court.hosting).find(leaf("exakt"))
        with pytest.raises(NotFound, match=r"no verifier 'exact'"):
            await VerifierFinder(court.hosting).find(leaf("exact", "1.0.0"))

    async def test_a_plan_of_a_services_own(self, court: Town) -> None:
        court.put("a", "exact", order="1")
        court.put("b", "exact", order="2", plans=["house"])
        plan = both(leaf("exact"), RewardPlan(named="house"))
        assert names(await VerifierFinder(court.hosting).find(plan)) == ["b"]


class TestLanes:
    async def test_services_of_the_lane_that_are_ready(self) -> None:
        directory = MemoryDirectory()
        finder = LaneFinder(directory, Kind.POLICY, "rl")
        directory.put(Service("a", Kind.POLICY, (Replica("a:1"),), lane="rl"))
        directory.put(Service("b", Kind.POLICY, (), lane="rl"))
        directory.put(Service("c", Kind.POLICY, (Replica("c:1"),), lane="sft"))
        assert names(await finder.find()) == ["a"]

    async def test_nobody_there(self) -> None:
        directory = MemoryDirectory([Service("c", Kind.POLICY, (Replica("c:1"),), lane="sft")])
        with pytest.raises(Unavailable, match=r"no policy of lane 'rl' .*; there is c \(lane sft, 1 ready\)"):
            await LaneFinder(directory, Kind.POLICY, "rl").find()
