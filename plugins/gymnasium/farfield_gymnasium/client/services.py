"""The environment and the verifier service, as a program without an event loop calls them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.rpc import code_pb2, status_pb2

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1.types_pb2 import Verdict
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub

TIMEOUT_SECONDS = 120.0
_MESSAGE_BYTES = 64 * 1024 * 1024
_RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_OPTIONS = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    # Every method of the contracts may be sent again.
    ("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": _RETRY}]})),
]


class ServiceError(RuntimeError):
    """A call failed, or one item of it. `code` is the name of its gRPC status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code

    @classmethod
    def of(cls, status: status_pb2.Status) -> "ServiceError":
        return cls(code_pb2.Code.Name(status.code), status.message)  # type: ignore[arg-type]


class Services:
    """Addresses are host:port. `ca` is the PEM file of the authority that signed the servers; absent, the
    connection is not encrypted."""

    def __init__(self, environment: str, verifier: str, token: str = "", ca: str = "") -> None:
        self._channels = [_channel(address, ca) for address in (environment, verifier)]
        self._environment: Any = EnvironmentServiceStub(self._channels[0])
        self._verifier: Any = VerifierServiceStub(self._channels[1])
        self._metadata = [("authorization", f"Bearer {token}")] if token else []

    def create(self, ref: env.EnvironmentRef, new: Iterable[env.NewSession]) -> Sequence[env.Started]:
        request = env.CreateSessionsRequest(environment=ref, sessions=new)
        return self._call(self._environment.CreateSessions, request).sessions

    def step(self, actions: Iterable[env.Action]) -> Sequence[env.StepResult]:
        return self._call(self._environment.Step, env.StepRequest(actions=actions)).results

    def restore(self, ref: env.EnvironmentRef, history: env.History) -> None:
        """Raises ServiceError where the session cannot be rebuilt."""
        request = env.RestoreSessionsRequest(environment=ref, sessions=[history])
        result = self._call(self._environment.RestoreSessions, request).results[0]
        if result.HasField("error"):
            raise ServiceError.of(result.error)

    def verify(self, plan: ver.RewardPlan, attempts: Iterable[ver.Attempt]) -> list[Verdict]:
        """A verdict for each attempt; ServiceError where one was not judged."""
        results = self._call(self._verifier.Verify, ver.VerifyRequest(plan=plan, attempts=attempts)).results
        for result in results:
            if result.HasField("error"):
                raise ServiceError.of(result.error)
        return [result.verdict for result in results]

    def images(self, digests: Iterable[str]) -> dict[str, bytes]:
        request = env.GetBlobsRequest(sha256=digests)
        try:
            answers = self._environment.GetBlobs(request, timeout=TIMEOUT_SECONDS, metadata=self._metadata)
            return {answer.image.sha256: answer.image.data for answer in answers}
        except grpc.RpcError as error:
            raise _error(error) from error

    def discard(self, session_ids: Iterable[str]) -> None:
        self._call(self._environment.CloseSessions, env.CloseSessionsRequest(session_ids=session_ids))

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=TIMEOUT_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _error(error) from error


def _channel(address: str, ca: str) -> grpc.Channel:
    if not ca:
        return grpc.insecure_channel(address, options=_OPTIONS)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options=_OPTIONS)


def _error(error: grpc.RpcError) -> ServiceError:
    return ServiceError(error.code().name, error.details() or "")
