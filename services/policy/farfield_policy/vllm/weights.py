"""How a vLLM server comes to serve other weights, and how it is known what it serves.

A whole model is loaded over the one that is there, while nothing runs: the gate lets nobody in, the server
is paused with its caches cleared, loads from disk, and goes on: a response has one version. vLLM does not
undo a load that fails half-way, nor can it be trusted with another one then. So what can be wrong with a
folder is looked for before, the server is labelled as loading meanwhile, and where a load fails all the same
nothing is generated until the server was started again and has got the former weights back.

An adapter (LoRA) gets a name of its own in the server and requests name it: those that run end on the one
they began with, and nothing stands still.

A server that dies and comes back serves what it was started with, and knows no label any more. So each
response is confirmed by the label, read after it; without the label it is thrown away and the weights are
loaded again.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

from farfield_kernel.adapters import base_of, is_adapter, model_digest
from farfield_kernel.batching import Batcher
from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable
from farfield_policy.engine import Version
from farfield_policy.gate import Gate
from farfield_policy.vllm.likeness import check_alike
from farfield_policy.vllm.probe import Found
from farfield_policy.vllm.server import LOADING, Label, Server

log = logging.getLogger(__name__)

_FIRST_REST, _LAST_REST = 1.0, 30.0
"""Seconds between looks at a server that has to be given its weights again."""


@dataclass(eq=False, slots=True)
class Served:
    """Weights in the server, and the name by which a request asks for them. `path` only of an adapter."""

    version: Version
    model: str
    path: str = ""
    running: int = 0


class ServerWeights:
    """Puts into the gate what the server serves."""

    def __init__(self, server: Server, found: Found, at_once: int, wait_seconds: float) -> None:
        self._server, self._found = server, found
        self._base = self._whole = Label.of(Version(), found.card.root)
        self.gate = Gate(Served(Version(), found.card.name), at_once, wait_seconds)
        self._changing = asyncio.Lock()
        self._labels = Batcher[None, Label](self._read_labels, in_flight=1)
        self._restoring: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._leaving: set[Served] = set()

    async def adopt(self) -> None:
        """Takes over a server that a former life of this engine has given other weights."""
        if self._found.in_place:
            self._whole = await self._label()
            await self.gate.replace(self._served_whole())

    async def change(self, path: str, weights: Version) -> float:
        """The seconds that generation stood still. Whatever fails, what served before serves on, or nothing
        does. A change that has begun is finished, whether the caller still waits for it or not."""
        task = asyncio.create_task(self._change(Label.of(weights, _whole_path(path))))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _change(self, new: Label) -> float:
        async with self._changing:
            self.gate.check_open()
            held = await self._held_by_restarted() if self._restoring else self._whole
            if is_adapter(Path(new.path)):
                stall = await self._change_adapter(new, held)
            else:
                stall = await self._change_whole(new)
            if self._restoring:  # newer weights than those that were to be given back
                self._restoring.cancel()
                self._restoring = None
            return stall

    async def confirm(self) -> None:
        """Raises Unavailable where the server does not serve what it was given; then it is given it again.
        Call before a response is believed."""
        if self._found.in_place and await self._labels.call(None) != self._whole:
            raise await self.lost(
                "the vLLM server was started again and is given its weights; try again later"
            )

    async def lost(self, why: str) -> FarfieldError:
        """What to tell while a server that has lost its weights gets them again."""
        if self._restoring is None:
            log.warning("%s is not served any more: %s", self.gate.server.version, why)
            await self.gate.halt(why)
            self._restoring = self._start(self._restore())
        return Unavailable(why)

    async def idle(self) -> int:
        """Returns once nothing runs: how many do then."""
        for served in (self.gate.server, *self._leaving):
            await self.gate.idle(served)
        return self.running

    @property
    def running(self) -> int:
        return sum(served.running for served in (self.gate.server, *self._leaving))

    async def close(self) -> None:
        """Waits for a change that has begun: half of one would leave the server with nothing."""
        async with self._changing:
            tasks = list(self._beside)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    # Whole models

    async def _change_whole(self, new: Label) -> float:
        if not self._found.in_place:
            raise FailedPrecondition(
                "the vLLM server cannot be given weights (capabilities.weight_update is NONE, and the "
                "log says why); start vLLM 0.27 or newer with VLLM_SERVER_DEV_MODE=1"
            )
        await asyncio.to_thread(check_alike, Path(new.path), Path(self._whole.path))
        former = self.gate.server
        async with self.gate.shut() as took:
            await self.gate.idle(former)
            await self._load(new)
            self._whole = new
            await self.gate.replace(self._served_whole())
        self._retire(former)
        return took[0]

    async def _load(self, new: Label) -> None:
        """While nothing runs."""
        await self._server.pause()
        try:
            await self._server.set_label(LOADING)
        except FarfieldError:
            await self._server.resume()  # nothing has changed
            raise
        try:
            await self._server.reload(new.path)
            await self._server.set_label(new)
            await self._server.resume()
        except FarfieldError as error:
            why = f"the vLLM server must be started again: a load of weights failed half-way: {error}"
            raise await self.lost(why) from error

    def _served_whole(self) -> Served:
        return Served(self._whole.weights, self._found.card.name)

    # Adapters

    async def _change_adapter(self, new: Label, held: Label) -> float:
        """`held`: the whole model in the server."""
        if not self._found.adapters:
            raise FailedPrecondition(
                f"{new.path} holds an adapter, and the vLLM server takes none; start it with --enable-lora "
                "and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        await asyncio.to_thread(_check_base, Path(new.path), Path(self._base.path))
        stall = 0.0 if held == self._whole == self._base else await self._change_whole(self._base)
        former, adapter = self.gate.server, Served(new.weights, _name(new), new.path)
        await self._server.load_adapter(adapter.model, adapter.path)
        await self.gate.replace(adapter)
        if former.model != adapter.model:
            self._retire(former)
        return stall

    def _retire(self, former: Served) -> None:
        """An adapter that new requests do not name leaves the server with the last one that does."""
        if former.path:
            self._leaving.add(former)
            self._start(self._unload(former))

    async def _unload(self, adapter: Served) -> None:
        await self.gate.idle(adapter)
        self._leaving.discard(adapter)
        try:
            await self._server.unload_adapter(adapter.model)
        except FarfieldError as error:
            log.warning("adapter %s stays in the server: %s", adapter.model, error)

    # Servers that were started again

    async def _label(self) -> Label:
        return await self._server.label() or self._base

    async def _read_labels(self, asked: list[None]) -> list[Label]:
        return [await self._label()] * len(asked)

    async def _restore(self) -> None:
        rest = _FIRST_REST
        while True:
            try:
                await self._give_again()
                break
            except FarfieldError as error:
                log.warning("the server cannot be given its weights yet: %s", error)
            await asyncio.sleep(rest)
            rest = min(_LAST_REST, 2 * rest)
        self._restoring = None

    async def _give_again(self) -> None:
        former = self.gate.server
        async with self._changing, self.gate.shut():
            await self.gate.idle(former)
            await self._give_whole_again()
            if former.path:
                await self._server.load_adapter(former.model, former.path)
            await self.gate.replace(former)

    async def _give_whole_again(self) -> None:
        if await self._held_by_restarted() != self._whole:
            if self._whole != self._base:
                await asyncio.to_thread(check_alike, Path(self._whole.path), Path(self._base.path))
            await self._load(self._whole)

    async def _held_by_restarted(self) -> Label:
        """The whole model in the server. Unavailable while a load that failed half-way is all that it has."""
        held = await self._label() if self._found.in_place else self._base
        if held == LOADING:
            raise Unavailable("the vLLM server has not been started again since a load failed half-way")
        return held


def _name(adapter: Label) -> str:
    return f"farfield-{adapter.run_id}-{adapter.version}-{adapter.digest[:12]}"


def _check_base(adapter: Path, served: Path) -> None:
    """FailedPrecondition for an adapter over another model than the server's, as far as both can be seen."""
    base = base_of(adapter)
    if base.digest and served.is_dir() and model_digest(served) != base.digest:
        raise FailedPrecondition(
            f"{adapter} is an adapter over {base.folder}, and the vLLM server was started with {served}: "
            "start it with the run's base, or write lora.publish: merged"
        )


def _whole_path(path: str) -> str:
    """The server has a working directory of its own."""
    return os.path.abspath(path)
