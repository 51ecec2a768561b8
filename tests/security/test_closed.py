"""Nothing answers a stranger: every method of every service that runs, and Redis."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
import redis
import yaml
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from redis.backoff import NoBackoff
from redis.retry import Retry

import farfield
from farfield_cli.secure.authority import Authority
from farfield_kernel.tls import TlsConfig
from tests.security.conftest import Secured

SERVED = ("environment", "verifier", "policy.default", "trainer.default", "worker.default.0")
OPEN = ("grpc.health.", "grpc.reflection.")
"""Answer whoever has a certificate; a token is not asked for."""
STRANGERS = ("in plain text", "without a certificate", "of another authority", "expired")
_SECONDS = 30
CONTRACTS = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(farfield.__path__, "farfield.")
    if found.name.endswith("_pb2")
]
ONCE = Retry(NoBackoff(), 0)


def services(secured: Secured, name: str) -> list[str]:
    """Full names of what a process serves, as it tells by reflection."""
    with grpc.secure_channel(secured.address(name), *own_way(secured, name)) as channel:
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=_SECONDS, metadata=token(secured))
    return [one.name for one in answer.list_services_response.service]


def methods(secured: Secured, name: str) -> Iterator[MethodDescriptor]:
    for service in services(secured, name):
        yield from descriptor_pool.Default().FindServiceByName(service).methods


def own_way(secured: Secured, name: str) -> tuple[grpc.ChannelCredentials, list[tuple[str, object]]]:
    tls = secured.keys.tls
    return tls.channel_credentials(), options(name)


def options(name: str) -> list[tuple[str, object]]:
    return [
        ("grpc.ssl_target_name_override", name),
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]


def token(secured: Secured, given: str | None = None) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {secured.keys.token if given is None else given}")]


def call(
    channel: grpc.Channel, method: MethodDescriptor, metadata: list[tuple[str, str]]
) -> tuple[grpc.StatusCode, list[bytes]]:
    """What an empty request is answered with: the status, and whatever came before it."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    sent = iter([b""]) if method.client_streaming else b""
    kind = f"{'stream' if method.client_streaming else 'unary'}_stream"
    came: list[bytes] = []
    try:
        if method.server_streaming:
            came += getattr(channel, kind)(path)(sent, timeout=_SECONDS, metadata=metadata)
        else:
            came.append(channel.unary_unary(path)(sent, timeout=_SECONDS, metadata=metadata))
    except grpc.RpcError as error:
        return error.code(), came
    return grpc.StatusCode.OK, came


@pytest.fixture(scope="module")
def foreign() -> Authority:
    return Authority()


def presented(stranger: str, secured: Secured, foreign: Authority) -> grpc.ChannelCredentials | None:
    """How a stranger comes; None for plain text. Each knows the stack's authority, which is no secret."""
    if stranger == "in plain text":
        return None
    yesterday = datetime.now(UTC) - timedelta(days=1)
    pairs = {
        "of another authority": lambda: foreign.issue("command", serves=False),
        "expired": lambda: secured.authority.issue("command", serves=False, ends=yesterday),
    }
    pair = pairs[stranger]() if stranger in pairs else None
    key, chain = (pair.key, pair.certificate) if pair else (None, None)
    return grpc.ssl_channel_credentials(secured.authority.certificate, key, chain)


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_no_method_answers(secured: Secured, foreign: Authority, name: str, stranger: str) -> None:
    credentials = presented(stranger, secured, foreign)
    for method in methods(secured, name):
        opened = (
            grpc.secure_channel(secured.address(name), credentials, options(name))
            if credentials
            else grpc.insecure_channel(secured.address(name), options(name))
        )
        with opened as channel:
            answer = call(channel, method, token(secured))
        assert answer == (grpc.StatusCode.UNAVAILABLE, []), f"{method.full_name} to one {stranger}"


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("given", ["", "Bearer", "wrong", "x" * 1000])
def test_a_certificate_alone_opens_health_and_reflection_and_nothing_else(
    secured: Secured, name: str, given: str
) -> None:
    with grpc.secure_channel(secured.address(name), *own_way(secured, name)) as channel:
        for method in methods(secured, name):
            if not method.full_name.startswith(OPEN):
                answer = call(channel, method, token(secured, given))
                assert answer == (grpc.StatusCode.UNAUTHENTICATED, []), method.full_name


def test_every_service_of_the_contracts_is_among_them(secured: Secured) -> None:
    contracts = {one.full_name for module in CONTRACTS for one in module.DESCRIPTOR.services_by_name.values()}
    served = {service for name in SERVED for service in services(secured, name)}
    assert contracts
    assert contracts <= served


@pytest.mark.parametrize("name", ["environment", "verifier", "policy.default"])
def test_who_has_both_is_answered(secured: Secured, name: str) -> None:
    with grpc.secure_channel(secured.address(name), *own_way(secured, name)) as channel:
        (describe,) = [one for one in methods(secured, name) if one.name == "Describe"]
        status, came = call(channel, describe, token(secured))
    assert status is grpc.StatusCode.OK
    assert came[0]


def test_one_service_is_not_taken_for_another(secured: Secured) -> None:
    with grpc.secure_channel(secured.address("verifier"), *own_way(secured, "environment")) as channel:
        (describe,) = [one for one in methods(secured, "verifier") if one.name == "Describe"]
        assert call(channel, describe, token(secured)) == (grpc.StatusCode.UNAVAILABLE, [])


# Redis


def url_of(secured: Secured, program: str) -> str:
    told = yaml.safe_load((secured.state / "keys" / f"{program}.yaml").read_text())
    return str(told["queue_url"])


def connected(secured: Secured, user: str, password: str, tls: TlsConfig) -> redis.Redis:
    host, _, port = secured.address("redis").partition(":")
    return redis.Redis(
        host=host,
        port=int(port),
        username=user,
        password=password,
        ssl=True,
        ssl_ca_certs=str(tls.ca),
        ssl_certfile=str(tls.certificate) if tls.certificate else None,
        ssl_keyfile=str(tls.key) if tls.key else None,
        driver_info=None,
        retry=ONCE,
    )


def test_redis_asks_for_a_certificate(secured: Secured, foreign: Authority, tmp_path: Path) -> None:
    password = str(urlsplit(url_of(secured, "trainer.default")).password)
    host, _, port = secured.address("redis").partition(":")
    with pytest.raises(redis.ConnectionError), redis.Redis(host=host, port=int(port), retry=ONCE) as plain:
        plain.ping()
    for pair in (None, foreign.issue("command")):
        tls = TlsConfig(ca=secured.keys.tls.ca)
        if pair:
            (tmp_path / "crt").write_bytes(pair.certificate)
            (tmp_path / "key").write_bytes(pair.key)
            tls = TlsConfig(ca=tls.ca, certificate=tmp_path / "crt", key=tmp_path / "key")
        with pytest.raises(redis.ConnectionError), connected(secured, "trainer", password, tls) as client:
            client.ping()


@pytest.mark.parametrize(("user", "password"), [("default", ""), ("trainer", "wrong"), ("nobody", "wrong")])
def test_redis_asks_for_a_user_and_its_password(secured: Secured, user: str, password: str) -> None:
    with (
        connected(secured, user, password, secured.keys.tls) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.get("farfield:lane:{default}:run")


FORBIDDEN = {
    "trainer.default": [["GET", "other"], ["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"]],
    "worker.default.0": [
        ["SET", "farfield:lane:{default}:run", "mine"],
        ["XADD", "farfield:lane:{default}:weights", "*", "weights", "{}"],
        ["GET", "farfield:lane:{default}:weights"],
        ["DEL", "farfield:{run}:episodes"],
        ["EVAL", "return 1", "0"],
        ["ACL", "LIST"],
    ],
    "policy.default": [
        ["GET", "farfield:lane:{default}:run"],
        ["XREAD", "STREAMS", "farfield:{run}:trajectories", "0"],
        ["XADD", "farfield:lane:{default}:weights", "*", "weights", "{}"],
    ],
}


@pytest.mark.parametrize("program", FORBIDDEN)
def test_a_role_reaches_its_part_of_redis_alone(secured: Secured, program: str) -> None:
    with redis.from_url(url_of(secured, program), driver_info=None) as client:
        assert client.ping()
        for words in FORBIDDEN[program]:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words)


def test_what_commands_have_asks_redis_whether_it_answers_and_no_more(secured: Secured) -> None:
    with redis.from_url(secured.keys.redis, driver_info=None) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.info()


# Files


def test_the_keys_are_their_users_alone(secured: Secured) -> None:
    folder = secured.state / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert not list(folder.glob("ca.key"))
