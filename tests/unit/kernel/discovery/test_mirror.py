"""The copy follows the API through everything that ends a watch."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farfield_kernel.cluster import mirror as mirrors
from farfield_kernel.cluster.api import SERVICES
from farfield_kernel.cluster.mirror import Mirror
from farfield_kernel.errors import PermissionDenied, Unavailable


class Followed:
    def __init__(self, api, standing, made) -> None:
        self.standing, self.service = standing, made[0]
        self._news = asyncio.Event()
        self.mirror = Mirror(api, SERVICES, "ns", "a=b", when_changed=self._news.set)
        self._following = asyncio.ensure_future(self.mirror.follow())

    async def until(self, names: set[str]) -> None:
        while set(self.mirror.objects) != names:
            self._news.clear()
            if set(self.mirror.objects) != names:
                await self._news.wait()

    async def until_called(self, verb: str, times: int) -> None:
        await self.standing.called(verb, "services", times)

    def add(self, name: str) -> None:
        self.standing.put("services", self.service(name))

    async def close(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)


@pytest.fixture
async def followed(api, stand_in, made, monkeypatch) -> AsyncIterator[Followed]:
    monkeypatch.setattr(mirrors, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(mirrors, "_LAST_DELAY", 0.01)
    following = Followed(api, stand_in[0], made)
    yield following
    await following.close()
    await api.close()


async def test_a_watch_that_is_closed_goes_on_without_a_list(followed: Followed) -> None:
    followed.add("a")
    await followed.until({"a"})
    await followed.until_called("watch", 1)
    followed.standing.close_watches()
    await followed.until_called("watch", 2)
    followed.add("b")
    await followed.until({"a", "b"})
    assert followed.standing.calls["list", "services"] == 1


async def test_a_version_that_is_forgotten_is_listed_anew(followed: Followed) -> None:
    await followed.until_called("watch", 1)
    followed.standing.forgets = True
    followed.standing.close_watches()
    await followed.until_called("list", 2)
    followed.add("a")
    await followed.until({"a"})


async def test_what_is_known_stays_while_the_api_is_away(followed: Followed) -> None:
    followed.add("a")
    await followed.until({"a"})
    followed.standing.refuses = 503
    followed.standing.close_watches()
    await followed.until_called("list", 4)
    assert set(followed.mirror.objects) == {"a"}
    with pytest.raises(Unavailable, match="503"):
        await followed.mirror.look()
    followed.standing.refuses = 0
    followed.standing.remove("services", "a")
    await followed.until(set())


async def test_a_refusal_names_verb_and_resource(followed: Followed) -> None:
    followed.standing.refuses = 403
    with pytest.raises(PermissionDenied, match=r'not allowed to list services.*User "u"'):
        await followed.mirror.look()


async def test_a_look_sees_what_was_there_before_it(followed: Followed) -> None:
    """Whatever the watch has missed."""
    await followed.mirror.look()
    followed.standing.objects["services"]["a"] = followed.service("a") | {}
    followed.standing.objects["services"]["a"]["metadata"]["resourceVersion"] = "1"
    await followed.mirror.look()
    assert set(followed.mirror.objects) == {"a"}


async def test_selectors_and_bookmarks_are_asked_for(followed: Followed) -> None:
    await followed.until_called("watch", 1)
    assert {one["labelSelector"] for one in followed.standing.seen} == {"a=b"}
    assert followed.standing.seen[-1]["allowWatchBookmarks"] == "true"


async def test_who_is_not_known_any_more_presents_himself_anew(followed: Followed) -> None:
    followed.standing.refuses = 401
    with pytest.raises(Exception, match="401"):
        await followed.mirror.look()
    shown = [one["authorization"] for one in followed.standing.seen[:2]]
    assert shown == ["Bearer old", "Bearer new"]
