"""A stand-in for a text-generation-inference server: its wire, answered from a script or from bodies that a
test holds ready. It draws nothing; what a request asks is recorded."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from farfield_kernel.errors import FailedPrecondition
from farfield_policy.engine import Version, WeightUpdate

Reply = tuple[int, bytes]
INFO = {
    "model_id": "stand-in",
    "max_total_tokens": 256,
    "max_input_tokens": 255,
    "max_concurrent_requests": 128,
    "max_stop_sequences": 4,
    "version": "3.3.7",
}


def body(value: Any, status: int = 200) -> Reply:
    return status, json.dumps(value).encode()


class TgiWire:
    """`replies` are given first, in order; then `answer` says. A reply of bytes alone is sent as it is, in
    place of a whole HTTP answer, before the connection is closed."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any], info: dict[str, Any] | None = None) -> None:
        self.answer = answer
        self.info: dict[str, Any] = {**INFO, **(info or {})}
        self.replies: deque[Reply | bytes] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.hold = asyncio.Event()
        """Answers of /generate wait for it."""
        self.hold.set()
        self.url = ""
        self.running = 0
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "TgiWire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.headers.append(head)
                length = next((int(line.split(":")[1]) for line in head.lower().split("\r\n")
                               if line.startswith("content-length")), 0)  # fmt: skip
                reply = await self._reply(head.split()[1], await reader.readexactly(length))
                if isinstance(reply, bytes):
                    writer.write(reply)
                    break
                status, content = reply
                kind = "text/event-stream" if content.startswith(b"data:") else "application/json"
                start = (
                    f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
                )
                writer.write(start.encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(self, path: str, content: bytes) -> Reply | bytes:
        if path == "/info":
            return body(self.info)
        if path != "/generate":
            return 404, b""
        request = json.loads(content)
        self.requests.append(request)
        await self._count(1)
        try:
            await self.hold.wait()
        finally:
            await self._count(-1)
        return self.replies.popleft() if self.replies else body(self.answer(request))

    async def until_running(self, count: int) -> None:
        """Returns once so many requests wait for `hold`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.running >= count)

    async def _count(self, change: int) -> None:
        self.running += change
        async with self._changed:
            self._changed.notify_all()


def scripted(tokenizer: Any, script: Sequence[str], logprob: float = -0.5) -> Callable[[dict[str, Any]], Any]:
    """Answers as a server would whose model says the script, response by response, over and over."""
    asked = iter(range(1 << 30))

    def answer(request: dict[str, Any]) -> Any:
        parameters = request["parameters"]
        text = script[next(asked) % len(script)]
        ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        reason = "eos_token" if len(ids) <= parameters["max_new_tokens"] else "length"
        return response(tokenizer, ids[: parameters["max_new_tokens"]], reason, request, logprob)

    return answer


def response(
    tokenizer: Any, ids: Sequence[int], reason: str, request: dict[str, Any], logprob: float = -0.5
) -> dict[str, Any]:
    """A whole body of /generate."""
    parameters = request["parameters"]
    seen = tokenizer.encode(request["inputs"]) if parameters.get("decoder_input_details") else []
    special = set(tokenizer.all_special_ids)
    tokens = [
        {"id": one, "text": tokenizer.decode([one]), "logprob": logprob, "special": one in special}
        for one in ids
    ]
    prefill = [{"id": one, "text": "", "logprob": -1.0 if at else None} for at, one in enumerate(seen)]
    details = {
        "finish_reason": reason,
        "generated_tokens": len(ids),
        "prefill": prefill,
        "seed": parameters.get("seed"),
        "tokens": tokens,
    }
    return {"generated_text": tokenizer.decode(ids, skip_special_tokens=True), "details": details}


class TwinHosting:
    """Servers that are there as soon as they are asked for: one stand-in passes for all of them."""

    weight_update = WeightUpdate.RESTART
    every = 1
    version = Version()

    def __init__(self, url: str, in_place: bool = True) -> None:
        self.in_place = in_place
        self.retired = asyncio.Event()
        self.asked = 0
        self.broken = False
        self.ready = asyncio.Event()
        """New servers wait for it."""
        self.ready.set()
        self._url = url

    async def open(self) -> str:
        return self._url

    async def serve(self, path: str, weights: Version) -> str:
        self.asked += 1
        await self.ready.wait()
        if self.broken:
            raise FailedPrecondition("broken")
        return self._url

    async def retire(self, url: str) -> None:
        self.retired.set()

    async def close(self) -> None:
        pass
