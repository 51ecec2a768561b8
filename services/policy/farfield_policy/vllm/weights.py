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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from farfield_kernel.batching import Batcher
from farfield_kernel.errors import FailedPrecondition, FarfieldError, Unavailable
from farfield_policy.engine import Version
from farfield_policy.gate import Gate
from farfield_policy.vllm.likeness import check_alike
from farfield_policy.vllm.probe import Found
from farfield_policy.vllm.server import Label, Server

log = logging.getLogger(__name__)

ADAPTER = "adapter_config.json"
LOADING = Label("", -1, "", "")
"""Of a server in the middle of a load."""


@dataclass(eq=False, slots=True)
class Adapter:
    """One in the server, and how many requests that name it are under way."""

    label: Label
    users: int = 0
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return f"farfield-{self.label.run_id}-{self.label.version}-{self.label.digest[:12]}"

    def enter(self) -> None:
        self.users += 1
        self.unused.clear()

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.unused.set()


class ServerWeights:
    """`model` is the name by which requests reach the weights that `gate.serving` says."""

    def __init__(self, server: Server, gate: Gate, found: Found) -> None:
        self._server, self._gate, self._found = server, gate, found
        self._base = Label.of(Version(), found.card.root)
        self._whole = self._base
        self._adapter: Adapter | None = None
        self._changing = asyncio.Lock()
        self._labels = Batcher[None, Label](self._read_labels, in_flight=1)
        self._restoring: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def model(self) -> str:
        return self._adapter.name if self._adapter else self._found.card.name

    async def adopt(self) -> None:
        """Takes over a server that a former life of this engine has given other weights."""
        if not self._found.in_place:
            return
        self._whole = await self._server.label() or self._base
        if self._whole == LOADING:
            raise FailedPrecondition(
                f"a load of weights was never finished in {self._server.url}; start that server again"
            )
        await self._gate.serve(self._whole.weights)

    async def change(self, path: str, weights: Version) -> float:
        """The seconds that generation stood still."""
        async with self._changing:
            self._gate.check_not_closed()
            if self._restoring and not self._restoring.done():
                raise Unavailable("the vLLM server gets its former weights first; try again later")
            new = Label.of(weights, _whole_path(path))
            if _holds_adapter(new.path):
                return await self._change_adapter(new)
            return await self._change_whole(new)

    @contextmanager
    def used(self) -> Iterator[str]:
        """The model's name for one request; an adapter stays in the server while it is used."""
        adapter, name = self._adapter, self.model
        if adapter is None:
            yield name
            return
        adapter.enter()
        try:
            yield name
        finally:
            adapter.leave()

    async def confirm(self) -> None:
        """Raises Unavailable where the server does not serve what it was given; then it is given it again.
        Call before a response is believed."""
        if self._found.in_place and await self._labels.call(None) != self._whole:
            raise await self.lost(
                "the vLLM server was started again and is given its weights; try again later"
            )

    async def lost(self, why: str) -> FarfieldError:
        """What to tell while a server that has lost its weights gets them again."""
        fault = Unavailable(why)
        if self._restoring is None or self._restoring.done():
            log.warning("%s is not served any more: %s", self._gate.serving, why)
            await self._gate.halt(fault)
            self._restoring = asyncio.create_task(self._restore())
        return fault

    async def close(self) -> None:
        tasks = [*self._retiring, *([self._restoring] if self._restoring else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Whole models

    async def _change_whole(self, new: Label) -> float:
        if not self._found.in_place:
            raise FailedPrecondition(
                "the vLLM server cannot be given weights (capabilities.weight_update is NONE); start vLLM "
                "0.27 or newer with VLLM_SERVER_DEV_MODE=1"
            )
        await asyncio.to_thread(check_alike, Path(new.path), Path(self._whole.path))
        async with self._gate.standstill():
            started = perf_counter()
            await self._load(new)
            await self._serve_whole(new)
            return perf_counter() - started

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
            raise await self.lost(
                f"the vLLM server must be started again: a load failed half-way: {error}"
            ) from error

    async def _serve_whole(self, label: Label) -> None:
        self._whole = label
        former, self._adapter = self._adapter, None
        await self._gate.serve(label.weights)
        self._retire(former)

    # Adapters

    async def _change_adapter(self, new: Label) -> float:
        if not self._found.adapters:
            raise FailedPrecondition(
                f"{new.path} holds an adapter, and the vLLM server takes none; start it with --enable-lora "
                "and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
            )
        if self._whole != self._base:
            await self._change_whole(self._base)
        adapter = Adapter(new)
        await self._server.load_adapter(adapter.name, new.path)
        former, self._adapter = self._adapter, adapter
        await self._gate.serve(new.weights)
        if former and former.name != adapter.name:
            self._retire(former)
        return 0.0

    def _retire(self, adapter: Adapter | None) -> None:
        """An adapter that new requests do not name leaves the server with the last one that does."""
        if adapter:
            task = asyncio.create_task(self._unload(adapter))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _unload(self, adapter: Adapter) -> None:
        if adapter.users:
            await adapter.unused.wait()
        try:
            await self._server.unload_adapter(adapter.name)
        except FarfieldError as error:
            log.warning("adapter %s stays in the server: %s", adapter.name, error)

    # Servers that were started again

    async def _read_labels(self, asked: list[None]) -> list[Label]:
        return [await self._server.label() or self._base] * len(asked)

    async def _restore(self) -> None:
        pause = 1.0
        while not await self._restored():
            await asyncio.sleep(pause)
            pause = min(30.0, 2 * pause)

    async def _restored(self) -> bool:
        try:
            async with self._changing, self._gate.standstill():
                await self._give_again()
            return True
        except FarfieldError as error:
            log.warning("the server cannot be given its weights yet: %s", error)
            return False

    async def _give_again(self) -> None:
        if self._found.in_place:
            held = await self._server.label() or self._base
            if held == LOADING:
                raise Unavailable("it has not been started again")
            if held != self._whole:
                await self._load(self._whole)
        if self._adapter:
            await self._server.load_adapter(self._adapter.name, self._adapter.label.path)
        await self._gate.serve((self._adapter.label if self._adapter else self._whole).weights)


def _holds_adapter(path: str) -> bool:
    return (Path(path) / ADAPTER).is_file()


def _whole_path(path: str) -> str:
    """The server has a working directory of its own."""
    return os.path.abspath(path)
