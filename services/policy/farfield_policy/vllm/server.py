"""The endpoints of a vLLM server that this engine uses, by name."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from farfield_kernel.errors import FailedPrecondition, NotFound
from farfield_policy.engine import Version
from farfield_policy.vllm.remote import Remote

FRESH = "default"
"""How a server labels the weights that it was started with."""


@dataclass(frozen=True, slots=True)
class Card:
    """A model as the server lists it: its name there, the folder or hub name it was loaded from, and the
    tokens that prompt and response may have together."""

    name: str
    root: str
    max_context: int


@dataclass(frozen=True, slots=True)
class Label:
    """What the weights in a server are, as it is told and as it tells: it forgets when it starts again."""

    run_id: str
    version: int
    digest: str
    path: str

    @classmethod
    def of(cls, weights: Version, path: str) -> "Label":
        return cls(weights.run_id, weights.version, weights.digest, path)

    @property
    def weights(self) -> Version:
        return Version(self.run_id, self.version, self.digest)


LOADING = Label("", -1, "", "")
"""Of a server in the middle of a load."""


class Server:
    def __init__(self, remote: Remote, load_seconds: float) -> None:
        self._remote, self._load_seconds = remote, load_seconds

    @property
    def url(self) -> str:
        return self._remote.url

    async def healthy(self) -> None:
        await self._remote.get("/health")

    async def release(self) -> str:
        """The server's own version."""
        said = await self._remote.get("/version")
        return str(said.get("version", "")) if isinstance(said, dict) else ""

    async def card(self, name: str) -> Card:
        """The model of that name, or the only one where no name is given. FailedPrecondition lists what
        there is."""
        listed = (await self._remote.get("/v1/models")).get("data", [])
        models = [one for one in listed if not one.get("parent")]
        chosen = [one for one in models if one["id"] == name] if name else models
        if len(chosen) != 1:
            names = ", ".join(str(one["id"]) for one in models) or "none"
            raise FailedPrecondition(
                f"engine.model is '{name}'; {self.url} serves {names}: set engine.model to one of them"
            )
        return Card(chosen[0]["id"], chosen[0].get("root") or "", int(chosen[0].get("max_model_len") or 0))

    async def complete(self, body: dict[str, Any]) -> Any:
        return await self._remote.post("/v1/completions", body)

    async def can_change_weights(self) -> bool:
        """Whether the endpoints for it are there, and with them the label that tells what is served."""
        paths = ("/pause", "/resume", "/collective_rpc", "/update_weight_version")
        return all([await self._remote.answers(path) for path in paths])

    async def device(self) -> str:
        """What it computes on, as far as it says."""
        try:
            said = await self._remote.get("/server_info?config_format=json")
        except NotFound:
            return ""
        config = said.get("vllm_config", {}) if isinstance(said, dict) else {}
        return str(config.get("device_config", {}).get("device", "")) if isinstance(config, dict) else ""

    async def can_change_adapters(self) -> bool:
        return await self._remote.answers("/v1/load_lora_adapter")

    async def pause(self) -> None:
        """Lets running responses end, starts none, and forgets every key and value that is cached."""
        path = "/pause?mode=wait&clear_cache=true"
        await self._remote.post(path, timeout_seconds=self._load_seconds)

    async def resume(self) -> None:
        await self._remote.post("/resume")

    async def reload(self, path: str) -> None:
        """Loads the weights of a folder over those that are there. Not transactional."""
        body = {"method": "reload_weights", "kwargs": {"weights_path": path}}
        await self._remote.post("/collective_rpc", body, timeout_seconds=self._load_seconds, again=False)

    async def label(self) -> Label | None:
        """None from a server that was not told since it started."""
        said = str((await self._remote.get("/weight_info")).get("weight_version"))
        if said == FRESH:
            return None
        try:
            found = json.loads(said)
            return Label(**{field.name: found[field.name] for field in fields(Label)})
        except (ValueError, KeyError, TypeError) as error:
            raise FailedPrecondition(
                f"{self.url} says that its weights are '{said}', which somebody else told it; give this "
                "engine a server of its own and start that again"
            ) from error

    async def set_label(self, label: Label) -> None:
        text = json.dumps(asdict(label), sort_keys=True)
        await self._remote.post("/update_weight_version", {"new_version": text})

    async def load_adapter(self, name: str, path: str) -> None:
        body = {"lora_name": name, "lora_path": path, "load_inplace": True}
        try:
            await self._remote.post("/v1/load_lora_adapter", body, timeout_seconds=self._load_seconds)
        except NotFound as error:
            raise FailedPrecondition(f"the server finds no adapter that loads in {path}: {error}") from error

    async def unload_adapter(self, name: str) -> None:
        await self._remote.post("/v1/unload_lora_adapter", {"lora_name": name}, again=False)

    async def close(self) -> None:
        await self._remote.close()
