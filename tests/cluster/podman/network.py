"""The network of the pods, and the names in it."""

import asyncio
import ipaddress
import json
import os
import socket
import struct

from tests.cluster.podman.command import PodmanError, podman
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Store

SLICES, SERVICES = BY_KIND["EndpointSlice"], BY_KIND["Service"]
DOMAIN = "cluster.local"
A, TTL = 1, 5
IP_FREEBIND = 15
NO_SUCH_NAME = 3


class Network:
    """One bridge. Its gateway is this machine, where the name server listens."""

    def __init__(self, name: str, subnet: str) -> None:
        self.name = name
        self.gateway = str(next(ipaddress.ip_network(subnet).hosts()))

    @classmethod
    async def create(cls) -> "Network":
        name = f"farfield-{os.getpid()}"
        for number in range(1, 255):
            subnet = f"10.91.{number}.0/24"
            try:
                await podman("network", "create", "--disable-dns", "--subnet", subnet, name)
            except PodmanError as error:
                if "already used" not in str(error):
                    raise
            else:
                return cls(name, subnet)
        raise PodmanError("every network of 10.91.0.0/16 is taken: podman network prune")

    def words(self, namespace: str) -> list[str]:
        """For a pod: the network, and where names are asked for."""
        domains = [f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
        searched = [f"--dns-search={domain}" for domain in domains]
        return [f"--network={self.name}", f"--dns={self.gateway}", "--dns-opt=ndots:5", *searched]

    async def address(self, pod: str) -> str:
        infra = await podman("pod", "inspect", pod, "--format", "{{.InfraContainerID}}")
        networks = json.loads(
            await podman("inspect", infra, "--format", "{{json .NetworkSettings.Networks}}")
        )
        return networks[self.name]["IPAddress"]

    def listen(self, kind: socket.SocketKind, port: int) -> socket.socket:
        """A socket at the gateway, which this machine gets with the first pod."""
        listening = socket.socket(socket.AF_INET, kind)
        listening.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.gateway, port))
        return listening

    async def remove(self) -> None:
        await podman("network", "rm", "--force", "--time", "0", self.name)


class Names(asyncio.DatagramProtocol):
    """A name server for the cluster's own names: a Service's is that of its ready pods, and a pod's with a
    hostname stands before it. It knows no other names."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def serve(self, at: socket.socket) -> asyncio.DatagramTransport:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=at)
        return transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self._transport.sendto(self.answer(data), sender)

    def answer(self, query: bytes) -> bytes:
        """RFC 1035: one question, its A records."""
        name, end = _question(query)
        kind = struct.unpack("!H", query[end : end + 2])[0]
        addresses = self._addresses(name)
        found = addresses or [] if kind == A else []
        flags = 0x8580 | (NO_SUCH_NAME if addresses is None else 0)
        head = query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
        records = [
            b"\xc0\x0c" + struct.pack("!HHIH", A, 1, TTL, 4) + ipaddress.ip_address(one).packed
            for one in found
        ]
        return head + query[12 : end + 4] + b"".join(records)

    def _addresses(self, name: str) -> list[str] | None:
        """None for a name that does not exist."""
        words = name.lower().removesuffix(f".svc.{DOMAIN}").split(".")
        if not name.lower().endswith(f".svc.{DOMAIN}") or len(words) not in (2, 3):
            return None
        namespace, service, hostname = words[-1], words[-2], words[0] if len(words) == 3 else ""
        if self._store.find(SERVICES, namespace, service) is None:
            return None
        ends = [
            end
            for one in self._store.all(SLICES, namespace)
            if one["metadata"]["labels"].get("kubernetes.io/service-name") == service
            for end in one["endpoints"]
            if end["conditions"].get("ready") and hostname in ("", end.get("hostname"))
        ]
        if hostname and not ends:
            return None
        return [address for end in ends for address in end["addresses"]]


def _question(query: bytes) -> tuple[str, int]:
    """The name that is asked for, and where it ends."""
    words, at = [], 12
    while query[at]:
        words.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(words), at + 1
