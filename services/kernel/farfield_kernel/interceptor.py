"""The one place where errors become status, calls are counted and their ids reach the log."""

import asyncio
import contextlib
import functools
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_status import rpc_status
from prometheus_client import Counter, Histogram

from farfield_kernel import logs, metrics, traces
from farfield_kernel.client import ID_METADATA
from farfield_kernel.errors import FarfieldError, InvalidArgument, Unauthenticated, grpc_code, status_of

log = logging.getLogger(__name__)

_calls = metrics.counter("rpc_total", "Calls answered.", ("method", "code"))
_seconds = metrics.histogram(
    "rpc_seconds", "Time to answer a call; of a stream, its whole life.", ("method", "code")
)
_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler. `token`, where given, is required of all but health and reflection."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(_OPEN):
            return handler
        guard = _Guard(details, self._token)
        if handler.response_streaming:
            make = grpc.stream_stream_rpc_method_handler
            if not handler.request_streaming:
                make = grpc.unary_stream_rpc_method_handler
            behavior = guard.stream(handler.stream_stream or handler.unary_stream)
        else:
            make = grpc.unary_unary_rpc_method_handler
            behavior = guard.unary(handler.unary_unary)
        return make(behavior, _tolerant(handler.request_deserializer), handler.response_serializer)


class _Malformed:
    """In place of a request whose bytes are no message, to which gRPC itself would answer UNKNOWN."""


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _Malformed()

    return read


def _checked(request: Any) -> Any:
    if isinstance(request, _Malformed):
        raise InvalidArgument(
            "the request is no message of this method's type: are client and service of one contract?"
        )
    return request


async def _each_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


class _Guard:
    def __init__(self, details: grpc.HandlerCallDetails, token: str) -> None:
        self._method = details.method
        self._metadata = dict(details.invocation_metadata or ())
        self._token = token

    def unary(self, handle: Callable) -> Callable:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
            started = time.perf_counter()
            try:
                with logs.bound(**self._ids()):
                    self._authenticate()
                    answer = await handle(_checked(request), context)
            except Exception as error:
                await self._fail(error, context, started)
            except asyncio.CancelledError:
                self._count("CANCELLED", started)
                raise
            else:
                self._count("OK", started)
                return answer

        return call

    def stream(self, handle: Callable) -> Callable:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            started = time.perf_counter()
            try:
                with logs.bound(**self._ids()):
                    self._authenticate()
                whole = _each_checked(request) if hasattr(request, "__aiter__") else _checked(request)
                async for answer in handle(whole, context):
                    yield answer
            except Exception as error:
                await self._fail(error, context, started)
            except asyncio.CancelledError:
                self._count("CANCELLED", started)
                raise
            else:
                self._count("OK", started)

        return call

    def _ids(self) -> dict[str, str]:
        """Of the caller's logs, and of its trace."""
        ids: dict[str, str] = {}
        with contextlib.suppress(ValueError):
            sent = json.loads(self._metadata.get(ID_METADATA, "{}"))
            ids = {str(k): str(v) for k, v in sent.items()} if isinstance(sent, dict) else {}
        if traceparent := self._metadata.get(traces.HEADER):
            ids |= traces.read(str(traceparent))
        return ids

    def _authenticate(self) -> None:
        given = str(self._metadata.get("authorization", ""))
        if self._token and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            raise Unauthenticated("a bearer token is required; set the client's `token`")

    async def _fail(self, error: Exception, context: grpc.aio.ServicerContext, started: float) -> None:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if not isinstance(error, FarfieldError):
            log.exception("%s failed", self._method)
        self._count(grpc_code(error).name, started)
        await context.abort_with_status(rpc_status.to_status(status_of(error)))

    def _count(self, code: str, started: float) -> None:
        calls, seconds = _meters(self._method, code)
        calls.inc()
        seconds.observe(time.perf_counter() - started)


@functools.cache
def _meters(method: str, code: str) -> tuple[Counter, Histogram]:
    """Looked up once: a method that no handler has never gets here, so there are few."""
    return _calls.labels(method, code), _seconds.labels(method, code)
