"""A stand-in for a vLLM server, in this process: it speaks the wire of vLLM 0.32 as far as the engine
`vllm` uses it, on top of our torch engine, so that real tokens and logprobs come out. It is not vLLM.

Like vLLM it forgets weights, label and adapters when it is started again, keeps a server whose load failed
half-way broken until then, and answers errors in vLLM's words and forms.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from safetensors.torch import load_file, save_file

from farfield_kernel.errors import FarfieldError
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.engine import Completion, FinishReason, Forced, Prompt, Sampling, Version

JSON = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
IMPOSSIBLE = -9999.0
FRESH = "default"


class Refused(Exception):
    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}

    def body(self) -> JSON:
        return {"error": {"message": str(self), "type": "Error", "param": None, "code": self.status}}


@dataclass
class Fault:
    """What a matching request meets instead of its answer. `status` 0 breaks the connection; `late`: only
    after the work was done."""

    status: int
    path: str = "/v1/completions"
    late: bool = False
    headers: dict[str, str] = field(default_factory=dict)


class VllmStandIn:
    def __init__(
        self,
        checkpoint: Path,
        *,
        processed: bool = True,
        updates: bool = True,
        adapters: bool = True,
        key: str = "",
        rows: int = 8,
        context: int = 4096,
        deterministic: bool = False,
    ) -> None:
        self.checkpoint, self.key = checkpoint, key
        self.device = "cuda"
        self.processed, self.updates, self.adapters_allowed = processed, updates, adapters
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, JSON]] = []
        self.hold = asyncio.Event()
        """While it is not set completions are drawn and not yet answered."""
        self.hold.set()
        self.loads = asyncio.Event()
        """While it is not set weights are not loaded."""
        self.loads.set()
        self.loading = False
        self.running = 0
        self.disturbed = 0
        """Completions that ran while weights were loaded."""
        self.port = 0
        self._rows, self._context, self._deterministic = rows, context, deterministic
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def model(self) -> str:
        return str(self.checkpoint)

    async def start(self) -> "VllmStandIn":
        self.label, self._torn, self._changes = FRESH, False, 0
        self.adapters: dict[str, TorchEngine] = {}
        self.base = self._open(self.checkpoint)
        runner = web.AppRunner(self._application(), handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner
        return self

    async def stop(self) -> None:
        """As a kill does: connections break, and all that it was told is gone."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        await runner.cleanup()
        for engine in (self.base, *self.adapters.values()):
            await engine.close()

    async def __aenter__(self) -> "VllmStandIn":
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def _open(self, folder: Path) -> TorchEngine:
        config = TorchConfig(
            model=str(folder),
            max_rows=self._rows,
            max_context=self._context,
            kept_tokens=0,
            deterministic=self._deterministic,
        )
        return open_engine(config)

    # The wire

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._gate], client_max_size=1 << 26)
        gets: dict[str, Callable[[], JSON]] = {
            "/health": dict,
            "/version": lambda: {"version": "0.32.0"},
            "/v1/models": self._models,
        }
        posts: dict[str, Callable[[JSON], Awaitable[JSON]]] = {"/v1/completions": self._complete}
        if self.updates:
            config = {"device_config": {"device": self.device}}
            gets["/server_info"] = lambda: {"vllm_config": config}
            gets["/weight_info"] = lambda: {"weight_version": self.label}
            posts |= {
                "/pause": self._pause,
                "/resume": self._resume,
                "/collective_rpc": self._reload,
                "/update_weight_version": self._relabel,
            }
        if self.adapters_allowed:
            posts |= {"/v1/load_lora_adapter": self._load, "/v1/unload_lora_adapter": self._unload}
        application.add_routes([web.get(path, _getting(give)) for path, give in gets.items()])
        application.add_routes([web.post(path, self._posting(do)) for path, do in posts.items()])
        return application

    def _posting(self, do: Callable[[JSON], Awaitable[JSON]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            data = await request.json() if request.can_read_body else {}
            self.asked.append((request.path, data))
            return web.json_response(await do(data))

        return handle

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keys, faults that a test asked for, and refusals in vLLM's form."""
        fault = next((one for one in self.faults if one.path == request.path), None)
        if fault:
            self.faults.remove(fault)
        try:
            given = request.headers.get("Authorization")
            if self.key and request.path.startswith("/v1") and given != f"Bearer {self.key}":
                raise Refused(401, "Unauthorized")
            if fault is None:
                return await handler(request)
            if fault.late:
                await handler(request)
            if not fault.status and request.transport:
                request.transport.abort()
            raise Refused(fault.status or 500, "a fault that the test asked for", fault.headers)
        except Refused as refused:
            return web.json_response(refused.body(), status=refused.status, headers=refused.headers)

    def _models(self) -> JSON:
        size = self.base.describe().max_context_tokens
        own = {"id": self.model, "root": self.model, "parent": None, "max_model_len": size}
        return {"data": [own, *({**own, "id": name, "parent": self.model} for name in self.adapters)]}

    # Completions

    async def _complete(self, data: JSON) -> JSON:
        engine = self.base if data["model"] == self.model else self.adapters.get(data["model"])
        if engine is None:
            raise Refused(404, f"The model `{data['model']}` does not exist.")
        ids = data["prompt"]
        self.running += 1
        try:
            done = await _drawn(engine, data)
            choice = await self._choice(engine, done, data)
            if data.get("prompt_logprobs") is not None:
                choice["prompt_logprobs"] = await _prompt_logprobs(engine, ids)
            await self.hold.wait()
        finally:
            self.running -= 1
        return {"object": "text_completion", "model": data["model"], "choices": [choice]}

    async def _choice(self, engine: TorchEngine, done: Completion, data: JSON) -> JSON:
        ids, wanted = list(done.response_ids), data.get("logprobs")
        stopped = done.finish_reason in (FinishReason.STOP_TOKEN, FinishReason.STOP_STRING)
        by_string = done.finish_reason is FinishReason.STOP_STRING
        choice: JSON = {
            "index": 0,
            "text": done.text,
            "finish_reason": "stop" if stopped else "length",
            "stop_reason": data["stop"][0] if by_string else None,
            "token_ids": ids if data.get("return_token_ids") else None,
            "prompt_token_ids": data["prompt"] if data.get("return_token_ids") else None,
            "logprobs": None,
            "prompt_logprobs": None,
        }
        if wanted is not None:
            logprobs = list(done.logprobs if self.processed else done.raw_logprobs)
            named = [{f"token_id:{token}": value} for token, value in zip(ids, logprobs, strict=True)]
            if wanted > 1:
                named[0].update(await self._others(engine, data, ids[0]))
            choice["logprobs"] = {"token_logprobs": logprobs, "top_logprobs": named}
        return choice

    async def _others(self, engine: TorchEngine, data: JSON, drawn: int) -> dict[str, float]:
        """The most probable of the tokens that were not drawn first; with top_k 1 none is possible."""
        others = [token for token in range(engine.describe().vocabulary) if token != drawn]
        if self.processed and data.get("top_k") == 1:
            return {f"token_id:{others[0]}": IMPOSSIBLE}
        scored = await engine.score([Forced(data["prompt"], [token]) for token in others])
        values = [scores.raw_logprobs[0] for scores in scored.results]  # type: ignore[union-attr]
        best = max(range(len(others)), key=values.__getitem__)
        return {f"token_id:{others[best]}": values[best]}

    # Weights

    async def _pause(self, data: JSON) -> JSON:
        await self.base.pause(drain=True)
        return {"status": "paused"}

    async def _resume(self, data: JSON) -> JSON:
        await self.base.resume()
        return {"status": "resumed"}

    async def _reload(self, data: JSON) -> JSON:
        path = data["kwargs"]["weights_path"]
        self.disturbed += self.running
        self._changes += 1
        self.loading = True
        await self.loads.wait()
        self.loading = False
        try:
            if self._torn:
                raise Refused(500, "a tensor is not where it was")
            await self.base.load_weights(path, Version("", self._changes))
        except FarfieldError as error:
            self._torn = True
            raise Refused(500, f"Call to collective_rpc method failed: {error}") from error
        return {"results": [None]}

    async def _relabel(self, data: JSON) -> JSON:
        self.label = data["new_version"]
        return {"success": True, "new_version": self.label}

    async def _load(self, data: JSON) -> JSON:
        name, path = data["lora_name"], Path(data["lora_path"])
        if not (path / "adapter_model.safetensors").is_file():
            raise Refused(404, f"Loading lora {name} failed: No adapter found for {path}")
        with tempfile.TemporaryDirectory() as folder:
            former = self.adapters.pop(name, None)
            self.adapters[name] = self._open(merged(self.checkpoint, path, Path(folder) / "merged"))
        if former:
            await former.close()
        return {}

    async def _unload(self, data: JSON) -> JSON:
        engine = self.adapters.pop(data["lora_name"], None)
        if engine is None:
            raise Refused(404, f"The lora adapter '{data['lora_name']}' cannot be found.")
        await engine.close()
        return {}


async def _drawn(engine: TorchEngine, data: JSON) -> Completion:
    sampling = Sampling(
        data["max_tokens"],
        data["temperature"],
        data.get("top_p", 1.0),
        data.get("top_k", 0),
        tuple(data.get("stop", ())),
        tuple(data.get("stop_token_ids", ())),
    )
    if len(data["prompt"]) >= engine.describe().max_context_tokens:
        raise Refused(400, "This model's maximum context length is shorter than the prompt.")
    seed = (data.get("seed") or 0) % (1 << 64)
    try:
        return await engine.submit([Prompt(sampling, data["prompt"], seed=seed)])[0]
    except FarfieldError as error:
        raise Refused(400, str(error)) from error


async def _prompt_logprobs(engine: TorchEngine, ids: list[int]) -> list[JSON | None]:
    scored = await engine.score([Forced(ids[:1], ids[1:])])
    (scores,) = scored.results
    assert not isinstance(scores, Exception)
    rows = zip(ids[1:], scores.raw_logprobs, strict=True)
    return [None, *({str(token): {"logprob": value, "rank": 1}} for token, value in rows)]


def merged(base: Path, adapter: Path, target: Path) -> Path:
    """A copy of a checkpoint with a LoRA adapter's product added to the weights that it names."""
    config = json.loads((adapter / "adapter_config.json").read_bytes())
    scale = config["lora_alpha"] / config["r"]
    shutil.copytree(base, target)
    weights = load_file(target / "model.safetensors")
    low_rank = load_file(adapter / "adapter_model.safetensors")
    for name in [name for name in low_rank if name.endswith("lora_A.weight")]:
        own = name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")
        weights[own] += scale * low_rank[name.replace("lora_A", "lora_B")] @ low_rank[name]
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def _getting(give: Callable[[], JSON]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(give())

    return handle
