"""Blue/green against the simulated API. Nobody runs pods there: `Machine` stands in for the nodes.

It starts our own front end for each Deployment, says that its pod is ready, and ends it with the Deployment.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_kernel.cluster.access import access
from farfield_kernel.cluster.api import DEPLOYMENTS, PODS, ClusterApi
from farfield_kernel.errors import FarfieldError
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.tgi_server.server import listening, offer
from farfield_policy.tgi_server.text import Text
from tests.cluster.fixtures import cluster

__all__ = ["cluster"]

NOT_READY = {"simulator/ready": "false"}
CONTAINER = {"name": "tgi", "image": "tgi:3.3.7", "args": ["--model-id", "__MODEL__"]}
TEMPLATE = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "tgi"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "tgi"}},
            "template": {
                "metadata": {"labels": {"app": "tgi"}, "annotations": NOT_READY},
                "spec": {"containers": [CONTAINER]},
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "tgi"},
        "spec": {"selector": {"app": "tgi"}, "ports": [{"name": "http", "port": 8080}]},
    },
]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "template.yaml"
    file.write_text(yaml.safe_dump_all(TEMPLATE))
    return file


@pytest.fixture
def models(tmp_path: Path, make_checkpoint: Callable[[Path], None]) -> Callable[[str], str]:
    """A model folder by its name. What is called `slow` never gets ready, `wrong` serves another model."""

    def make(name: str) -> str:
        folder = tmp_path / "models" / name
        if not folder.exists():
            make_checkpoint(folder)
        return str(folder)

    return make


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<end>", "<user>", "<assistant>", *"abcdefghijklmnopqrstuvwxyz"]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<end>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = (
        "{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
        "{% if add_generation_prompt %}<assistant> {% endif %}"
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", chat_template=template)
    torch.manual_seed(0)
    module = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=512,
            eos_token_id=0,
            pad_token_id=0,
            initializer_range=0.3,
        )
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def make(target: Path) -> None:
        shutil.copytree(folder, target)

    return make


class Machine:
    """The stand-in for the nodes of a cluster."""

    def __init__(self, api: ClusterApi, faults: Any) -> None:
        self._api = api
        self.faults = faults
        """What generations meet next, on whatever front end."""
        self._running: dict[str, AsyncExitStack] = {}
        self.urls: dict[str, str] = {}
        """Of the front ends that run, by the name of their Deployment and Service."""

    def address(self, service: dict[str, Any]) -> str:
        return self.urls.get(service["metadata"]["name"], "http://127.0.0.1:1")

    async def work(self) -> None:
        while True:
            deployments, _ = await self._api.items(DEPLOYMENTS, "default")
            found = {one["metadata"]["name"]: one for one in deployments}
            for name in self._running.keys() - found.keys():
                self.urls.pop(name)
                await self._running.pop(name).aclose()
            for name, deployment in found.items():
                model = self._model(deployment)
                if name not in self._running and "slow" not in model:
                    await self._start(name, model)
            for pod in (await self._api.items(PODS, "default"))[0]:
                await self._say_ready(pod)
            await asyncio.sleep(0.05)

    def _model(self, deployment: dict[str, Any]) -> str:
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["args"][1])

    async def _start(self, name: str, model: str) -> None:
        stack = self._running[name] = AsyncExitStack()
        engine = open_engine(TorchConfig(model=model, max_rows=8))
        stack.push_async_callback(engine.close)
        shown = "another" if "wrong" in model else model
        terms = offer(engine, model, TgiServerConfig(port=0, model_id=shown))
        self.urls[name] = await stack.enter_async_context(
            listening(engine, Text(model), terms, middlewares=[self.faults.middleware])
        )

    async def _say_ready(self, pod: dict[str, Any]) -> None:
        """Of a pod whose front end runs."""
        runs = any(pod["metadata"]["name"].startswith(f"{name}-") for name in self.urls)
        if runs and pod["metadata"]["annotations"].get("simulator/ready") == "false":
            pod["metadata"]["annotations"]["simulator/ready"] = "true"
            with suppress(FarfieldError):  # it has changed meanwhile: the next look has it
                await self._replace(pod)

    async def _replace(self, pod: dict[str, Any]) -> None:
        path = PODS.path("default", pod["metadata"]["name"])
        async with self._api._request(
            "update", PODS, "default", path=path, params={}, method="PUT", body=pod
        ):
            pass

    async def close(self) -> None:
        for stack in self._running.values():
            await stack.aclose()


@pytest.fixture
async def api(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ClusterApi]:
    """The simulated API, for looking at it."""
    pytest.importorskip("kubernetes", reason="no kubernetes: pip install 'farfield-kernel[kubernetes]'")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    opened = ClusterApi(await access())
    yield opened
    await opened.close()


@pytest.fixture
async def machine(api: ClusterApi, tgi_faults: Any) -> AsyncIterator[Machine]:
    machine = Machine(api, tgi_faults.Faults())
    work = asyncio.create_task(machine.work())
    yield machine
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await machine.close()
