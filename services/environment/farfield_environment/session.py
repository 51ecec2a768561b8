"""One live episode: which turn is next, what was answered, how a call that comes again is answered."""

import asyncio
import hashlib

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_environment.blobs import Blobs
from farfield_environment.catalog import Resolved
from farfield_environment.digests import outcome_digest, start_digest
from farfield_environment.messages import images
from farfield_environment.seats import Seat
from farfield_kernel import traces
from farfield_kernel.errors import Conflict, FailedPrecondition, FarfieldError, NotFound

_CONTINUE = types_pb2.STATE_CONTINUE
SHORT = 256


class Session:
    """The state of an episode around its plugin object. Answers are built once and stored."""

    __slots__ = (
        "action", "closed", "digest", "ended", "expires", "facts", "failure", "id", "inline", "last", "ready",
        "resolved", "running", "seat", "seed", "shown", "started", "turn", "visual",
    )  # fmt: skip

    def __init__(self, session_id: str, seed: int, resolved: Resolved, seat: Seat) -> None:
        self.id, self.seed, self.resolved, self.seat = session_id, seed, resolved, seat
        self.ready = False
        self.visual = "image" in resolved.hosted.rules.modalities
        self.inline = seat.inline
        self.started = pb.Started()
        self.turn = 0
        """The turn that is next, or running."""
        self.action = b""
        """Fingerprint of the response taken last."""
        self.last = pb.Outcome()
        self.running: asyncio.Task[pb.Outcome] | None = None
        self.failure: FarfieldError | None = None
        """The plugin failed: every further step gets this error."""
        self.ended = self.closed = False
        self.facts = self.digest = ""
        self.shown: list[str] = []
        """Digests of the images that it showed."""
        self.expires = 0.0

    def begin(self, started: pb.Started) -> None:
        """Takes the plugin's start."""
        started.session_id = self.id
        started.digest = self.digest = start_digest(started, self.visual)
        self.facts = started.facts_json
        self.started, self.ready = started, True

    def take(self, outcome: pb.Outcome) -> pb.Outcome:
        """Takes the plugin's outcome of the present turn."""
        outcome.turn = self.turn
        if outcome.facts_json == self.facts:
            outcome.facts_json = ""
        elif outcome.facts_json:
            self.facts = outcome.facts_json
        outcome.digest = self.digest = outcome_digest(self.digest, outcome, self.visual)
        self.last = outcome
        self.turn += 1
        if outcome.state != _CONTINUE:
            self.ended = True
            self.seat.close()
        return outcome

    def fail(self, error: BaseException, method: str) -> FarfieldError:
        """The public error of what the plugin raised; it stays the answer to every further step."""
        self.failure = self.resolved.hosted.failed(error, method, traces.of(self.id))
        self.seat.close()
        return self.failure

    def show(self, observation: pb.Observation, blobs: Blobs, inline_bytes: int) -> None:
        """Keeps the images of an observation, and leaves out the bytes of large ones."""
        for image in images(observation):
            if blobs.hold(image) > inline_bytes:
                image.ClearField("data")
            self.shown.append(image.sha256)

    def check_next(self, turn: int, action: bytes) -> None:
        """Raises for a turn that can neither be applied nor answered again."""
        if self.failure:
            raise self.failure
        if self.repeats(turn):
            if action != self.action:
                raise Conflict(
                    f"turn {turn} of session '{self.id}' was taken with another response: "
                    "a turn is played once, go on with the answer that it got"
                )
        elif self.running:
            raise FailedPrecondition(
                f"turn {self.turn} of session '{self.id}' is still running: wait for its answer"
            )
        elif self.ended:
            raise FailedPrecondition(
                f"the episode of session '{self.id}' ended at turn {self.turn - 1}: close it"
            )
        elif turn != self.turn:
            raise FailedPrecondition(
                f"turn {turn} is out of order: session '{self.id}' is at turn {self.turn}"
            )

    def is_after(self, turns: int, digest: str) -> bool:
        """Whether it is well, and has just this history."""
        return not self.failure and self.turn == turns and self.digest == digest

    def repeats(self, turn: int) -> bool:
        """Whether the turn is the one taken last, be it still running."""
        return turn == (self.turn if self.running else self.turn - 1) >= 0

    async def again(self) -> pb.Outcome:
        """The answer of the turn taken last, marked as stored."""
        if self.running:
            await asyncio.shield(self.running)
        return self.replay()

    def replay(self) -> pb.Outcome:
        copy = pb.Outcome()
        copy.CopyFrom(self.last)
        copy.replayed = True
        return copy

    def check_open(self, during: str) -> None:
        """Raises where it was closed meanwhile: what a call under way came to is then nobody's fault."""
        if self.closed:
            raise NotFound(f"session '{self.id}' was closed during {during}")

    def close(self, blobs: Blobs) -> None:
        self.closed = True
        self.seat.close()
        blobs.release(self.shown)
        self.shown = []


def fingerprint(response: bytes) -> bytes:
    """Tells responses apart in few bytes; short ones are their own."""
    return response if len(response) <= SHORT else b"sha256 " + hashlib.sha256(response).digest()
