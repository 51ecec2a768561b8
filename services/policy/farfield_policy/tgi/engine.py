"""The engine `tgi`: a task per prompt, which waits for its turn, asks the server and answers."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from farfield_kernel.adapters import is_adapter
from farfield_kernel.cluster.access import access
from farfield_kernel.cluster.api import ClusterApi
from farfield_kernel.errors import FailedPrecondition
from farfield_policy import meters
from farfield_policy.engine import (
    Capabilities,
    Completion,
    Description,
    Forced,
    Prompt,
    Requirement,
    Scored,
    Swapped,
    Version,
    WeightUpdate,
)
from farfield_policy.gate import Gate
from farfield_policy.prompt_tasks import PromptTasks
from farfield_policy.tgi.config import KubernetesWeights, ProcessWeights, TgiConfig
from farfield_policy.tgi.hosting import FixedHosting, Hosting
from farfield_policy.tgi.info import info_of
from farfield_policy.tgi.kubernetes import KubernetesHosting
from farfield_policy.tgi.process import ProcessHosting
from farfield_policy.tgi.prompts import Writer, open_writer
from farfield_policy.tgi.requests import request_of
from farfield_policy.tgi.server import Access, Server
from farfield_policy.tgi.succession import Open, Succession

log = logging.getLogger(__name__)


class TgiEngine:
    """Used from one event loop, on which everything runs."""

    def __init__(
        self, config: TgiConfig, writer: Writer, hosting: Hosting, server: Server, open_server: Open
    ) -> None:
        self._config, self._writer, self._hosting = config, writer, hosting
        self._at_once = min(config.max_concurrency, server.info.max_concurrent_requests)
        self._gate = Gate(server, self._at_once, config.weights_wait_seconds)
        self._succession = Succession(hosting, self._gate, open_server)
        self._closed = False
        self._prompts = PromptTasks(self._generate, config.max_queue)
        meters.version.labels(server.version.run_id).set(server.version.version)
        meters.rows.set(self._at_once)

    def describe(self) -> Description:
        server = self._gate.server
        return Description(
            engine="tgi",
            capabilities=Capabilities(
                token_ids_in=False,
                logprobs_raw=False,
                stop_token_ids=False,
                images=self._writer.sees,
                weight_update=self._hosting.weight_update,
            ),
            weights=server.version,
            max_context_tokens=server.info.max_total_tokens,
            max_concurrency=self._at_once,
            eos_token_ids=self._writer.eos_ids,
            vocabulary=self._writer.vocabulary,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        return self._prompts.submit(prompts)

    async def score(self, items: Sequence[Forced]) -> Scored:
        raise FailedPrecondition(
            "a text-generation-inference server scores no token ids (capabilities.score is false)"
        )

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        if is_adapter(Path(path)):
            raise FailedPrecondition(
                f"{path} holds an adapter, and TGI is given whole models: write lora.publish: merged in the "
                "run's algorithm"
            )
        return await self._succession.offer(path, weights)

    async def pause(self, drain: bool) -> int:
        self._gate.check_open()
        await self._gate.pause()
        if drain:
            await self._gate.idle(self._gate.server)
        return self._gate.server.running

    async def resume(self) -> None:
        await self._gate.resume()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._gate.close()
        await self._prompts.close()
        await self._succession.close()

    async def _generate(self, prompt: Prompt) -> Completion:
        prompt.sampling.validate()
        self._check_weights(prompt.require)
        written = self._writer.write(prompt)
        async with self._gate.entered(prompt.require) as server:
            request = request_of(prompt, written, server.info, self._config.payload_limit)
            return await server.generate(request)

    def _check_weights(self, require: Requirement | None) -> None:
        """What a server that keeps its weights does not serve now it never will: nobody need wait for it."""
        serving = self._gate.server.version
        fixed = self._hosting.weight_update is WeightUpdate.NONE
        if fixed and require is not None and not require.met_by(serving):
            raise FailedPrecondition(
                f"{require} is required, and the server keeps its weights (engine.weights.kind is 'fixed'): "
                "it can be evaluated, and a run needs kind 'process' or 'kubernetes'"
            )


async def open_engine(config: TgiConfig, hosting: Hosting | None = None) -> TgiEngine:
    """Returns once the configured server answers. FailedPrecondition for one that cannot be this engine's.
    Servers come from `hosting`, if it is given, else from what the configuration names."""
    writer = open_writer(config.tokenizer_path, config.kept_image_bytes)
    access = Access(config.token, config.timeout_seconds, config.retries, config.max_concurrency)

    async def open_server(url: str, version: Version) -> Server:
        return Server(url, await info_of(url, config.token), version, access, writer.chat)

    hosting = hosting or await hosting_of(config)
    try:
        server = await open_server(await hosting.open(), hosting.version)
    except BaseException:
        await hosting.close()
        raise
    return TgiEngine(config, writer, hosting, server, open_server)


async def hosting_of(config: TgiConfig) -> Hosting:
    weights = config.weights
    if isinstance(weights, KubernetesWeights):
        return KubernetesHosting(weights, ClusterApi(await access()), config.model_path, config.token)
    if isinstance(weights, ProcessWeights):
        return ProcessHosting(weights, config.base_url, config.model_path, config.token)
    return FixedHosting(config.base_url, config.model_path, weights.start_seconds, config.token)
