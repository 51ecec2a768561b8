"""A headless Chromium, spoken to over its DevTools protocol."""

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

PATH = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 90
"""Seconds: the machine may be busy."""
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")


class Page:
    """One tab. Collects what goes wrong and what is asked of the network."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.errors: list[str] = []
        self.requests: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if "id" in data:
                self._answers.pop(data["id"]).set_result(data)
            else:
                self._heard(data["method"], data["params"])

    def _heard(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded[params["loaderId"]].set()

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(self._answers[number], PATIENCE)
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]

    async def open(self, address: str) -> None:
        """A new load, even of a page that is open already."""
        for place in ("about:blank", address):
            begun = await self.call("Page.navigate", url=place)
            await asyncio.wait_for(self._loaded[begun["loaderId"]].wait(), PATIENCE)

    async def run(self, script: str) -> Any:
        """The value of an expression."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def choose(self, select: str, value: str) -> None:
        """As a person does: the value, and the event that follows."""
        await self.run(
            f"(() => {{ const one = document.getElementById({select!r}); one.value = {value!r}; "
            "one.dispatchEvent(new Event('change', { bubbles: true })); })()"
        )

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def point_at(self, selector: str) -> None:
        """Moves the mouse to the middle of the first such element. What scrolling sets off
        is over two frames later."""
        place = await self.run(
            f"(() => {{ const one = document.querySelector({selector!r}); "
            "one.scrollIntoView({ block: 'center' }); const box = one.getBoundingClientRect(); "
            "const middle = [box.x + box.width / 2, box.y + box.height / 2]; "
            "return new Promise(done => "
            "requestAnimationFrame(() => requestAnimationFrame(() => done(middle)))); })()"
        )
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])

    async def look(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """The size of the window, and the colours that the person prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Page]:
    """A tab of a browser that lives in the block; `folder` is for its profile."""
    assert PATH, "no Chromium here"
    process = await asyncio.create_subprocess_exec(
        PATH,
        *_OPTIONS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(await _address(session, folder), max_msg_size=0) as socket,
        ):
            tab = Page(socket)
            listening = asyncio.create_task(tab.listen())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await tab.call(f"{domain}.enable")
            await tab.call("Page.setLifecycleEventsEnabled", enabled=True)
            yield tab
            listening.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _address(session: aiohttp.ClientSession, folder: Path) -> str:
    """Of the first tab's socket, once the browser listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            port = folder / "DevToolsActivePort"
            if port.exists() and (lines := port.read_text().split()):
                async with session.get(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                    tabs = [one for one in await answer.json() if one["type"] == "page"]
                    if tabs:
                        return str(tabs[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.1)


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two colours, red, green and blue from 0 to 255 (WCAG 2.2)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    parts = [part / 255 for part in colour[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
