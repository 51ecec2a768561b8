"""Where servers come from, and how one with other weights is brought up.

A text-generation-inference server serves one model for its whole life. New weights need a new server, so the
engine asks its hosting for one, sends new prompts there, and lets go of the old one when nothing runs on it.
"""

from typing import Protocol

from farfield_kernel.errors import FailedPrecondition
from farfield_policy.engine import Version, WeightUpdate
from farfield_policy.tgi.info import until_answered


class Hosting(Protocol):
    """Servers are named by their base URL. Methods are called from one event loop, one at a time. Errors are
    the kernel's domain errors."""

    weight_update: WeightUpdate
    """What the engine says that it can: NONE or RESTART."""
    every: int
    """Weights so many versions ahead are reason enough for a new server."""
    in_place: bool
    """The new server takes the old one's place: it is called for once nothing runs on the old one, and
    prompts wait meanwhile. Otherwise the old one goes on until `retire`."""

    version: Version
    """Of the server that `open` gives: the configured model, or weights that an engine before this one left
    being served."""

    async def open(self) -> str:
        """The server to begin with, once its /info shows its model."""
        ...

    async def serve(self, path: str, weights: Version) -> str:
        """A server of the weights in the folder `path`, once its /info shows that folder as its model.
        Where it does not come up, what there was before serves again and the error says why."""
        ...

    async def retire(self, url: str) -> None:
        """Lets go of a server: it has been replaced, and none of our requests runs on it."""
        ...

    async def close(self) -> None:
        """Ends what would not outlive the engine."""
        ...


class FixedHosting:
    """One server, run by somebody else."""

    weight_update = WeightUpdate.NONE
    every = 1
    in_place = True
    version = Version()

    def __init__(self, url: str, model: str, start_seconds: float, token: str = "") -> None:
        self._url, self._model, self._start_seconds, self._token = url, model, start_seconds, token

    async def open(self) -> str:
        shown = await until_answered(self._url, self._start_seconds, self._token)
        if self._model and shown.model != self._model:
            raise FailedPrecondition(
                f"{self._url} serves '{shown.model}', and engine.model_path is '{self._model}'; "
                "set it to the server's --model-id, or leave it empty and set engine.tokenizer"
            )
        return self._url

    async def serve(self, path: str, weights: Version) -> str:
        raise FailedPrecondition(
            f"{weights} cannot be loaded: the server at {self._url} keeps its weights until it is restarted, "
            "and engine.weights.kind is 'fixed'; let the engine restart it (kind 'process'), or use one "
            "that loads weights"
        )

    async def retire(self, url: str) -> None:
        pass

    async def close(self) -> None:
        pass
