"""One episode's session: steps that are safe to repeat, and a new home by replay when its host is lost."""

import hashlib
from collections.abc import Iterable

from farfield.environment.v1 import environment_pb2 as pb
from farfield_kernel.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    Exhausted,
    FarfieldError,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_kernel.images import images_of
from farfield_rollout import meters
from farfield_rollout.config import RetryConfig
from farfield_rollout.environment import EnvironmentClient
from farfield_rollout.environments import EnvironmentReplicas
from farfield_rollout.failures import Stage, retried
from farfield_rollout.images import ImageCache


class Session:
    """`facts_json`, `digest` and `resolved` are as of the last answer. `images` holds the bytes of all that
    were shown, by digest."""

    def __init__(
        self,
        session_id: str,
        environment: pb.EnvironmentRef,
        seed: int,
        replicas: EnvironmentReplicas,
        images: ImageCache,
        retry: RetryConfig,
    ) -> None:
        self.id = session_id
        self.resolved = environment
        self.facts_json = ""
        self.digest = ""
        self.restores = 0
        self.images: dict[str, bytes] = {}
        self._seed = seed
        self._replicas, self._cache, self._retry = replicas, images, retry
        self._client: EnvironmentClient | None = None
        self._avoid: EnvironmentClient | None = None
        self._responses: list[str] = []

    async def start(self) -> pb.Observation:
        started = await retried(self._create, Stage.START, self._retry)
        self.facts_json, self.digest = started.facts_json, started.digest
        await self._see(started.observation)
        return started.observation

    async def step(self, response: str) -> pb.Outcome:
        """The outcome of the next turn."""
        action = pb.Action(session_id=self.id, turn=len(self._responses), response=response)
        outcome = await retried(lambda: self._step(action), Stage.ENVIRONMENT, self._retry)
        self._responses.append(response)
        self.facts_json = outcome.facts_json or self.facts_json
        self.digest = outcome.digest
        await self._see(outcome.observation)
        return outcome

    def close_also(self, session_ids: Iterable[str]) -> None:
        """Frees sessions that former attempts may have left where this one is."""
        for session_id in session_ids:
            if self._client:
                self._client.discard(session_id)

    def close(self) -> None:
        """Frees the session soon; does not wait for it."""
        if self._client:
            self._client.discard(self.id)
            self._client = None

    async def _create(self) -> pb.Started:
        client = await self._replicas.pick(self._avoid)
        new = pb.NewSession(session_id=self.id, seed=self._seed)
        try:
            started, self.resolved = await client.create(self.resolved, new, self._known())
        except (AlreadyExists, Conflict) as error:
            # Left by an attempt that the queue has forgotten: nobody else plays under this id.
            await client.close_session(self.id)
            raise Unavailable(f"a stale session was in the way: {error}") from error
        except (Unavailable, Exhausted) as error:
            self._shun(client, error)
            raise
        self._client = client
        return started

    async def _step(self, action: pb.Action) -> pb.Outcome:
        client = self._client or await self._restore()
        try:
            return await client.step(action, self._known())
        except NotFound as error:
            self._leave(client)
            raise Unavailable(f"the session is lost: {error}") from error
        except (PluginFailure, DeadlineExceeded):
            # The service keeps a session that failed as it is: only a new one can do better.
            await self._forget(client)
            raise
        except Unavailable:
            if await self._replicas.pick(client) is not client:
                self._leave(client)
            raise

    def _shun(self, client: EnvironmentClient, error: FarfieldError) -> None:
        """One that is full is full for now; one that is away or drains is so for all sessions."""
        self._avoid = client
        if isinstance(error, Unavailable):
            self._replicas.set_aside(client)

    def _leave(self, client: EnvironmentClient) -> None:
        client.sessions.discard(self.id)
        self._client, self._avoid = None, client

    async def _forget(self, client: EnvironmentClient) -> None:
        self._client = None
        try:
            await client.close_session(self.id)
        except FarfieldError:
            return  # its lease will free it

    async def _restore(self) -> EnvironmentClient:
        client = await self._replicas.pick(self._avoid)
        history = pb.History(
            session_id=self.id, seed=self._seed, responses=self._responses, digest=self.digest
        )
        try:
            await client.restore(self.resolved, history, self._known())
        except (Unavailable, Exhausted) as error:
            self._shun(client, error)
            raise
        self.restores += 1
        meters.restores.inc()
        self._client = client
        return client

    def _known(self) -> frozenset[str]:
        """What the environment need not send again."""
        return frozenset(self.images)

    async def _see(self, observation: pb.Observation) -> None:
        """Fills in the bytes of every image, and keeps them."""
        shown = list(images_of(observation.messages))
        if not shown:
            return
        bare = []
        for image in shown:
            data = image.data  # a copy, whenever it is asked for
            if not data:
                bare.append(image)
            if image.sha256 not in self.images and (data := self._cache.get(image.sha256) or data):
                self._keep(image.sha256, data)
        missing = sorted({image.sha256 for image in shown} - self.images.keys())
        came = len(shown) - len(bare) + len(missing)
        meters.images_fetched.inc(came)
        meters.images_held.inc(len(shown) - came)
        if missing:
            await retried(lambda: self._fetch(missing), Stage.ENVIRONMENT, self._retry)
        for image in bare:
            image.data = self.images[image.sha256]

    def _keep(self, digest: str, data: bytes) -> None:
        """The cache's copy where it has one: an image belongs to all episodes that show it. That is why a
        false digest is an error here."""
        if self._cache.get(digest) is not data and hashlib.sha256(data).hexdigest() != digest:
            raise PluginFailure(f"the environment showed an image whose SHA-256 is not {digest[:80]!r}")
        self.images[digest] = data
        self._cache.put(digest, data)

    async def _fetch(self, digests: list[str]) -> None:
        client = self._client or await self._restore()
        try:
            images = {image.sha256: image.data for image in await client.images(digests)}
        except NotFound as error:
            raise PluginFailure(f"the environment has lost an image that it showed: {error}") from error
        for digest in digests:
            if digest not in images:
                raise PluginFailure(f"the environment sent no bytes of image {digest}")
            self._keep(digest, images[digest])
