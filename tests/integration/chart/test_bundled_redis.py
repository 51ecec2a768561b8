"""The bundled Redis: its users and Secret, and what its configuration does to a real server."""

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
import yaml

from farfield_kernel.queue import redis_users

sys.path.insert(0, str(Path(__file__).parent))

from rendering import DEMO, WORKLOADS, Object, cluster_with, labels, named, of, pods, template

TLS = ("--set", "tls.enabled=true")


def secret(objects: list[Object]) -> dict[str, str]:
    data = named(objects, "Secret", "rl-redis")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def passwords(objects: list[Object]) -> dict[str, str]:
    return {role: secret(objects)[f"{role}-password"] for role in redis_users.RULES}


def test_passwords_are_made_and_stand_in_their_secret_alone(helm: str) -> None:
    first, second = template(helm, DEMO), template(helm, DEMO)
    made = passwords(first)
    assert {len(one) for one in made.values()} == {40}
    assert len({*made.values(), *passwords(second).values()}) == 2 * len(made)
    others = yaml.safe_dump_all(one for one in first if one["kind"] != "Secret")
    assert not any(one in others for one in made.values())


def test_the_users_are_those_of_the_queue(demo: list[Object]) -> None:
    given = redis_users.acl(passwords(demo))
    assert sorted(secret(demo)["users.acl"].splitlines()) == sorted(given.splitlines())


def test_each_pod_has_the_url_of_its_own_user(demo: list[Object]) -> None:
    taken = {}
    for one in of(demo, *WORKLOADS):
        (container, *_) = one["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env", []):
            if variable["name"].endswith("QUEUE_URL"):
                taken[labels(one)["farfield.dev/kind"]] = variable["valueFrom"]["secretKeyRef"]["key"]
    assert taken == {"policy": "policy-url", "rollout": "worker-url", "trainer": "trainer-url"}


def test_an_upgrade_keeps_the_passwords_and_may_turn_on_tls(helm: str) -> None:
    before = template(helm, DEMO)
    kept = named(before, "Secret", "rl-redis")
    with cluster_with([kept], before) as address:
        cluster = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address)
        only = (*cluster, "--show-only", "templates/redis.yaml")
        after, secure = template(helm, DEMO, *only), template(helm, DEMO, *TLS, *only)
    assert named(after, "Secret", "rl-redis")["data"] == kept["data"]
    assert passwords(secure) == passwords(before)
    assert {urlsplit(secret(secure)[f"{role}-url"]).scheme for role in redis_users.RULES} == {"rediss"}


def test_one_value_brings_tls_to_redis_and_to_whoever_calls_it(helm: str) -> None:
    objects = template(helm, DEMO, *TLS)
    folder = "/etc/farfield-tls"
    config = named(objects, "ConfigMap", "rl-redis")["data"]["redis.conf"].splitlines()
    assert {"port 0", "tls-port 6379", "tls-auth-clients yes", f"tls-ca-cert-file {folder}/ca.crt"} <= set(
        config
    )
    files = parse_qs(urlsplit(secret(objects)["worker-url"]).query)
    assert files["ssl_ca_certs"] == [f"{folder}/ca.crt"]
    assert files["ssl_certfile"] == [f"{folder}/tls.crt"]
    for pod in pods(objects):
        container = pod["spec"]["containers"][-1]
        uses = [one for one in container.get("env", []) if one["name"] in ("REDIS_URL", "REDISCLI_AUTH")]
        uses += [one for one in container.get("env", []) if one["name"].endswith("QUEUE_URL")]
        mounted = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        assert not uses or folder in mounted, container["name"]


def test_a_worker_that_serves_in_plain_text_has_certificates_for_redis(helm: str) -> None:
    objects = template(helm, DEMO, *TLS, "--set", "rollout.plaintext=true")
    assert named(objects, "Secret", "rl-rollout-tls")
    volumes = named(objects, "Deployment", "rl-rollout")["spec"]["template"]["spec"]["volumes"]
    assert "rl-rollout-tls" in [volume.get("secret", {}).get("secretName") for volume in volumes]


def test_a_secret_of_ones_own_is_taken(helm: str) -> None:
    objects = template(helm, DEMO, "--set", "redis.existingSecret=mine")
    assert not of(objects, "Secret")
    pod = named(objects, "StatefulSet", "rl-redis")["spec"]["template"]["spec"]
    assert {one["valueFrom"]["secretKeyRef"]["name"] for one in pod["containers"][0]["env"]} == {"mine"}
    assert "mine" in [volume.get("secret", {}).get("secretName") for volume in pod["volumes"]]


def test_what_is_claimed_outlives_a_kill(
    demo: list[Object], make_redis: Callable[..., Any], tmp_path: Path
) -> None:
    """Deliveries of several entries at once are written as transactions, which some ACLs lose on replay."""
    users = tmp_path / "users.acl"
    users.write_text(secret(demo)["users.acl"])
    server = make_redis(*_options(demo), "--aclfile", str(users), "--appendfsync", "always")
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port) as anyone:
        anyone.get("key")
    told = {"port": server.port, "username": "trainer", "password": passwords(demo)["trainer"]}
    work = "farfield:{run}:work"
    with redis.Redis(**told) as client:
        client.execute_command("XGROUP", "CREATE", work, "workers", "0", "MKSTREAM")
        for number in range(30):
            client.xadd(work, {"number": number})
        client.xreadgroup("workers", "one", {work: ">"}, count=30)
    server.kill()
    server.start()
    with redis.Redis(**told) as client:
        assert client.xpending(work, "workers")["pending"] == 30


def _options(objects: list[Object]) -> list[str]:
    """The rendered file as arguments, less where it is, where it listens and who may use it."""
    lines = named(objects, "ConfigMap", "rl-redis")["data"]["redis.conf"].splitlines()
    left_out = ("#", "dir ", "port ", "aclfile ")
    pairs = [line.split(maxsplit=1) for line in lines if not line.startswith(left_out)]
    return [word for key, value in pairs for word in (f"--{key}", value.strip('"'))]
