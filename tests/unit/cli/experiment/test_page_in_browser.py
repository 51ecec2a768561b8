"""The report opened and clicked in a real browser. Slow because a browser starts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.pages import page

from .conftest import chromium

pytestmark = pytest.mark.skipif(not chromium.PATH, reason="there is no Chromium on this machine")

COLOURS = """(() => {
  const of = text => text.match(/[\\d.]+/g).map(Number);
  const solid = one => { for (; one; one = one.parentElement) {
    const found = of(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  } };
  return [...document.querySelectorAll('h1, .lead, .quiet, .row p, td, .badge, pre, .legend b, .eyebrow')]
    .filter(one => one.offsetParent && one.textContent.trim())
    .map(one => [of(getComputedStyle(one).color), solid(one), one.textContent.slice(0, 40)]);
})()"""


@pytest.fixture
async def tab(experiment: Experiment, with_episodes: Path, tmp_path: Path) -> AsyncIterator[Any]:
    page.write(experiment, with_episodes)
    async with chromium.page(tmp_path / "profile") as opened:
        await opened.look(1200, 900)
        await opened.open((with_episodes / "report.html").as_uri())
        yield opened


async def text(tab: Any, selector: str) -> str:
    return str(await tab.run(f"document.querySelector({selector!r}).innerText"))


async def test_the_page_is_whole_and_can_be_clicked_through(tab: Any) -> None:
    await chosen(tab)
    await filtered(tab)
    await lit(tab)
    await found_again(tab)
    await small(tab)
    await dark(tab)
    assert tab.errors == []
    assert {address.partition(":")[0] for address in tab.requests} <= {"file", "data", "about"}


async def chosen(tab: Any) -> None:
    """Arm and suite decide the episode, which stays the same one."""
    assert "base-s0/eval/0" in await text(tab, "#place")
    await tab.press("ArrowRight")
    assert "2 of 7" in await text(tab, "#place")
    await tab.choose("arm", "rl")
    await tab.choose("suite", "ood")
    await tab.choose("seed", "2")
    assert "2 of 7" in await text(tab, "#place")
    assert "rl-s2/eval/1" in await text(tab, "#place")
    assert "10 updates (last)" in await tab.run("document.querySelector('#version').selectedOptions[0].text")
    assert "words for rl-s2 <b>" in await text(tab, "#episode")
    await tab.choose("arm", "sft")
    assert await tab.run("document.querySelector('#version').value") == "20"


async def filtered(tab: Any) -> None:
    await tab.choose("filter", "solved")
    assert "1 of 3" in await text(tab, "#place")
    assert await tab.run("document.querySelector('#episode img').naturalWidth") == 1
    await tab.run("document.querySelector('#next').click()")
    assert "sft-s2/eval/3" in await text(tab, "#place")
    await tab.choose("filter", "failed")
    assert "No such episode" in await text(tab, "#place")


async def lit(tab: Any) -> None:
    """Pointing at a token tells its logprob."""
    await tab.choose("filter", "all")
    await tab.point_at("[data-logprob='-1.5']")
    assert await text(tab, "#tip") == "logprob −1.5 · probability 22.3 %"
    assert await tab.run("document.querySelector(\"[data-logprob='-6']\").className") == "t p4"
    await tab.run("document.querySelector('#episode pre[tabindex]').focus()")
    await tab.press("ArrowRight")
    assert (await text(tab, "#tip")).startswith("logprob")


async def found_again(tab: Any) -> None:
    """The address names what is shown."""
    address = (await tab.run("location.href")).replace("arm=sft", "arm=rl").replace("version=20", "version=5")
    await tab.open(address.replace("episode=0", "episode=4"))
    assert "rl-s2/eval/4" in await text(tab, "#place")
    assert await tab.run("document.querySelector('#version').value") == "5"


async def small(tab: Any) -> None:
    await tab.look(390, 844, phone=True)
    assert await tab.run("document.documentElement.scrollWidth") <= 390
    await tab.look(1200, 900)


async def dark(tab: Any) -> None:
    for scheme in (False, True):
        await tab.look(1200, 900, dark=scheme)
        pairs = await tab.run(COLOURS)
        assert len(pairs) > 30
        for ink, paper, what in pairs:
            assert chromium.contrast(ink, paper) >= 4.5, (what, ink, paper)
    assert (await tab.run("getComputedStyle(document.body).backgroundColor")) == "rgb(20, 23, 27)"
