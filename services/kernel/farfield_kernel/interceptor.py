"""The one place where errors become status, calls are counted and their ids reach the log."""

import asyncio
import contextlib
import functools
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from grpc_status import rpc_status
from prometheus_client import Counter, Histogram

from farfield_kernel import logs, metrics, traces
from farfield_kernel.client import ID_METADATA
from farfield_kernel.errors import FarfieldError, InvalidArgument, Unauthenticated, grpc_code, status_of
from farfield_kernel.patience import Limits, Patience

log = logging.getLogger(__name__)

_calls = metrics.counter("rpc_total", "Calls answered.", ("method", "code"))
_seconds = metrics.histogram(
    "rpc_seconds", "Time to answer a call; of a stream, its whole life.", ("method", "code")
)
MOST_ITEMS = 65_536
"""Of a list in a request. An item may be two bytes, and its answer hundreds."""
_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler. `token`, where given, is required of all but health and reflection, which are not
    counted either."""

    def __init__(self, limits: Limits, token: str = "") -> None:
        self._limits, self._token = limits, token

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None
        is_open = details.method.startswith(_OPEN)
        guard = _Guard(details, "" if is_open else self._token, self._limits, counted=not is_open)
        # A single request is read as a stream of one, which is the same on the wire: gRPC would wait for it
        # for ever before it asks anyone.
        if handler.stream_stream:
            make, behavior = grpc.stream_stream_rpc_method_handler, guard.stream(handler.stream_stream)
        elif handler.unary_stream:
            make, behavior = grpc.stream_stream_rpc_method_handler, guard.answers(handler.unary_stream)
        else:
            make, behavior = grpc.stream_unary_rpc_method_handler, guard.unary(handler.unary_unary)
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
    for name in _lists(request.DESCRIPTOR):
        if (count := len(getattr(request, name))) > MOST_ITEMS:
            raise InvalidArgument(
                f"{count} {name} in one request: at most {MOST_ITEMS} are taken, send them in parts"
            )
    return request


@functools.cache
def _lists(descriptor: Descriptor) -> tuple[str, ...]:
    """Names of a message's repeated fields."""
    return tuple(field.name for field in descriptor.fields if field.is_repeated)


async def _only(requests: AsyncIterator[Any]) -> Any:
    """The request of a call that has one."""
    async for request in requests:
        return _checked(request)
    raise InvalidArgument("the call ended without a request: send one message of this method's type")


async def _each(requests: AsyncIterator[Any], patience: Patience) -> AsyncIterator[Any]:
    async for request in requests:
        patience.heard()
        yield _checked(request)


class _Guard:
    def __init__(self, details: grpc.HandlerCallDetails, token: str, limits: Limits, counted: bool) -> None:
        self._method = details.method
        self._metadata = dict(details.invocation_metadata or ())
        self._token, self._limits, self._counted = token, limits, counted

    def unary(self, handle: Callable) -> Callable:
        async def call(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
            async with self._watched(context):
                with logs.bound(**self._ids()):
                    self._authenticate()
                    with Patience(self._limits):
                        request = await _only(requests)
                    return await handle(request, context)

        return call

    def answers(self, handle: Callable) -> Callable:
        """Of a handler that answers one request with a stream."""

        async def call(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            async with self._watched(context):
                with logs.bound(**self._ids()):
                    self._authenticate()
                with Patience(self._limits):
                    request = await _only(requests)
                async for answer in handle(request, context):
                    yield answer

        return call

    def stream(self, handle: Callable) -> Callable:
        async def call(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            async with self._watched(context):
                with logs.bound(**self._ids()):
                    self._authenticate()
                with Patience(self._limits) as patience:
                    async for answer in handle(_each(requests, patience), context):
                        patience.heard()
                        yield answer

        return call

    @asynccontextmanager
    async def _watched(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        """Counts a call by how it ends, and makes its error a status."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            await self._fail(error, context, started)
        except asyncio.CancelledError:
            self._count("CANCELLED", started)
            raise
        else:
            self._count("OK", started)

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
        if not self._counted:
            return
        calls, seconds = _meters(self._method, code)
        calls.inc()
        seconds.observe(time.perf_counter() - started)


@functools.cache
def _meters(method: str, code: str) -> tuple[Counter, Histogram]:
    """Looked up once: a method that no handler has never gets here, so there are few."""
    return _calls.labels(method, code), _seconds.labels(method, code)
