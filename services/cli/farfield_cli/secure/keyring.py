"""What the processes of a secure stack prove themselves by, in a folder that its user alone can open.

For each process a certificate, its key, and a file of configuration that names them and holds its token and
its password of Redis: so no command line has a secret. `command.yaml` is what the commands call the stack
with. All of it is made anew with each stack.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import yaml

from farfield_cli.secure.authority import Authority
from farfield_cli.secure.command import COMMAND, CommandKeys
from farfield_cli.stack import ports
from farfield_kernel.queue import redis_users
from farfield_kernel.tls import TlsConfig

_REDIS = "redis"


class Keyring:
    """Those of one stack, made in an empty folder."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        self.folder = folder.resolve()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        self._authority = authority or Authority()
        self._token = secrets.token_urlsafe(32)
        self._passwords = {role: secrets.token_urlsafe(32) for role in redis_users.RULES}
        self._redis_port = 0
        self._write("ca.crt", self._authority.certificate)
        self._command = self._pair(COMMAND, serves=False)
        self._save_command()

    @property
    def command(self) -> CommandKeys:
        url = self.redis_url("probe", self._command) if self._redis_port else ""
        return CommandKeys(tls=self._command, token=self._token, redis=url)

    def outfit(self, name: str, calls: Mapping[str, str], role: str) -> Path:
        """The file of a service: as `name` it serves, `calls` are sections of its configuration and whom they
        are about, and `role` is its user of Redis, empty for none."""
        own = self._pair(name)
        told: dict[str, object] = {section: self._proof(own, peer) for section, peer in calls.items()}
        told["server"] = self._proof(own)
        if role:
            told["queue_url"] = self.redis_url(role, own)
        return self._write(f"{name}.yaml", yaml.safe_dump(told).encode())

    def redis(self, port: int) -> tuple[TlsConfig, Path]:
        """What the server proves itself by, and its users. From now on commands know where it is."""
        self._redis_port = port
        users = self._write("redis.acl", redis_users.acl(self._passwords).encode())
        self._save_command()
        return self._pair(_REDIS, (ports.HOST,)), users

    def redis_url(self, role: str, own: TlsConfig) -> str:
        files = {"ssl_ca_certs": own.ca, "ssl_certfile": own.certificate, "ssl_keyfile": own.key}
        user = f"{role}:{quote(self._passwords[role], safe='')}"
        return f"rediss://{user}@{ports.HOST}:{self._redis_port}/0?{urlencode(files)}"

    def _proof(self, own: TlsConfig, peer: str = "") -> dict[str, object]:
        tls = own.model_copy(update={"server_name": peer})
        return {"tls": tls.model_dump(mode="json"), "token": self._token}

    def _pair(self, name: str, addresses: tuple[str, ...] = (), serves: bool = True) -> TlsConfig:
        pair = self._authority.issue(name, addresses, serves=serves)
        return TlsConfig(
            certificate=self._write(f"{name}.crt", pair.certificate),
            key=self._write(f"{name}.key", pair.key),
            ca=self.folder / "ca.crt",
        )

    def _save_command(self) -> None:
        told = self.command.model_dump(mode="json")
        self._write(f"{COMMAND}.yaml", yaml.safe_dump(told).encode())

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        return path
