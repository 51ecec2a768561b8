"""The bundled Redis: its Secret, and what its configuration does to a real server."""

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from rendering import DEMO, Object, cluster_with, named, of, template


def password(objects: list[Object]) -> str:
    return base64.b64decode(named(objects, "Secret", "rl-redis")["data"]["password"]).decode()


def test_a_password_is_made_and_stands_in_its_secret_alone(helm: str) -> None:
    first, second = template(helm, DEMO), template(helm, DEMO)
    assert len(password(first)) == 40
    assert password(first) != password(second)
    others = [one for one in first if one["kind"] != "Secret"]
    assert password(first) not in yaml.safe_dump_all(others)


def test_an_upgrade_keeps_the_password(helm: str) -> None:
    before = template(helm, DEMO)
    kept = named(before, "Secret", "rl-redis")
    with cluster_with([kept], before) as address:
        cluster = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address)
        after = template(helm, DEMO, *cluster, "--show-only", "templates/redis.yaml")
    assert named(after, "Secret", "rl-redis")["data"] == kept["data"]


def test_a_secret_of_ones_own_is_taken(helm: str) -> None:
    objects = template(helm, DEMO, "--set", "redis.existingSecret=mine")
    assert not of(objects, "Secret")
    container = named(objects, "StatefulSet", "rl-redis")["spec"]["template"]["spec"]["containers"][0]
    assert {one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"]} == {"mine"}


def test_what_is_claimed_outlives_a_kill(demo: list[Object], make_redis: Callable[..., Any]) -> None:
    """Deliveries of several entries at once are written as transactions, which some ACLs lose on replay."""
    server = make_redis(*_options(demo), "--requirepass", "secret")
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port) as anyone:
        anyone.get("key")
    with redis.Redis(port=server.port, password="secret") as client:
        client.xgroup_create("work", "workers", mkstream=True)
        for number in range(30):
            client.xadd("work", {"number": number})
        client.xreadgroup("workers", "one", {"work": ">"}, count=30)
        client.execute_command("CONFIG", "SET", "appendfsync", "always")
        client.set("written", "out")  # with all before it, when this is answered
    server.kill()
    server.start()
    with redis.Redis(port=server.port, password="secret") as client:
        assert client.xpending("work", "workers")["pending"] == 30


def _options(objects: list[Object]) -> list[str]:
    """The rendered file as arguments, less where it is and where it listens."""
    lines = named(objects, "ConfigMap", "rl-redis")["data"]["redis.conf"].splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if not line.startswith(("#", "dir ", "port "))]
    return [word for key, value in pairs for word in (f"--{key}", value.strip('"'))]
