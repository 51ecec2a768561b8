"""gRPC channels as every caller opens them: message size, keepalive, retries, TLS, token and ids."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from pydantic import Field

from farfield_kernel import logs, traces
from farfield_kernel.config import Config
from farfield_kernel.tls import TlsConfig

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
ID_METADATA = "farfield-ids"


class ClientConfig(Config):
    """How to reach one service."""

    address: str
    """host:port, or a `dns:///` name whose addresses are used in turn."""
    timeout_seconds: float = Field(default=60, gt=0)
    """Deadline of a call that sets none itself."""
    attempts: int = Field(default=5, ge=2, le=5)
    """How often a call is sent that finds nobody, with pauses that double from 0.1 seconds."""
    tls: TlsConfig | None = None
    token: str = Field(default="", repr=False)
    """Bearer token to present; empty for none."""


_RETRY = {
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


def _service_config(attempts: int) -> str:
    """Every method of the contracts is idempotent, so a call that found nobody may be sent again."""
    methods = [{"name": [{}], "retryPolicy": {"maxAttempts": attempts, **_RETRY}}]
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods})


def _details(config: ClientConfig, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    metadata = list(details.metadata or ())
    if config.token:
        metadata.append(("authorization", f"Bearer {config.token}"))
    if ids := logs.ids():
        told = {name: value for name, value in ids.items() if name not in traces.FIELDS}
        metadata.append((ID_METADATA, json.dumps(told)))
        if traceparent := traces.header(ids):
            metadata.append((traces.HEADER, traceparent))
    return grpc.aio.ClientCallDetails(
        method=details.method,
        timeout=details.timeout,
        metadata=grpc.aio.Metadata(*metadata),
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, config: ClientConfig) -> None:
        self._config = config

    async def intercept_unary_unary(self, continuation: Callable, details: Any, request: Any) -> Any:
        if details.timeout is None:
            details = details._replace(timeout=self._config.timeout_seconds)
        return await continuation(_details(self._config, details), request)


class _ServerStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, config: ClientConfig) -> None:
        self._config = config

    async def intercept_unary_stream(self, continuation: Callable, details: Any, request: Any) -> Any:
        return await continuation(_details(self._config, details), request)


class _BothStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, config: ClientConfig) -> None:
        self._config = config

    async def intercept_stream_stream(self, continuation: Callable, details: Any, requests: Any) -> Any:
        return await continuation(_details(self._config, details), requests)


def channel(config: ClientConfig, *more: tuple[str, Any]) -> grpc.aio.Channel:
    """An open channel, with `more` options of gRPC; the caller closes it."""
    service_config = "grpc.service_config", _service_config(config.attempts)
    options: list[tuple[str, Any]] = [*_OPTIONS, service_config, *more]
    interceptors = [_Unary(config), _ServerStream(config), _BothStream(config)]
    if config.tls is None:
        return grpc.aio.insecure_channel(config.address, options=options, interceptors=interceptors)
    if config.tls.server_name:
        options.append(("grpc.ssl_target_name_override", config.tls.server_name))
    credentials = config.tls.channel_credentials()
    return grpc.aio.secure_channel(config.address, credentials, options=options, interceptors=interceptors)
