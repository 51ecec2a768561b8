"""What a stack under fire is made of: programs, and a wire for each pair that speaks."""

import asyncio
import sys
from pathlib import Path

from farfield_cli.stack.ports import HOST, free_ports
from farfield_cli.stack.program import Program
from farfield_cli.stack.redis_program import redis_program
from farfield_cli.stack.stack import Maker, StackOptions
from tests.chaos.wire import Wire, to_port, to_socket

LATE_SECONDS = 0.15


class Plan:
    """Programs, and the wires between them."""

    def __init__(self, folder: Path, model: Path) -> None:
        options = StackOptions(folder / "state", folder / "runs", model, deterministic=True)
        self.maker = Maker(options)
        self.folder, self.model = folder, model
        self.dies = folder / "dies"
        self.wires: dict[str, Wire] = {}
        self.environment_metrics: tuple[str, ...] = ()
        self._ports = free_ports()
        self.redis, self.redis_url = redis_program(options.state, self.maker.log("redis"), self.maker.mark)

    def port(self) -> int:
        return next(self._ports)

    def wire(self, client: str, server: Program) -> str:
        """The address by which `client` reaches `server`."""
        if server is not self.redis:
            return self.wire_to(client, server.name, int(server.address.rpartition(":")[2]))
        dial = to_socket(self.redis_url.removeprefix("unix://"))
        return self._wired(client, server.name, Wire(self.port(), dial, LATE_SECONDS))

    def wire_to(self, client: str, server: str, port: int) -> str:
        """The same, to a port of this machine."""
        return self._wired(client, server, Wire(self.port(), to_port(port), LATE_SECONDS))

    def _wired(self, client: str, server: str, wire: Wire) -> str:
        self.wires[f"{client} > {server}"] = wire
        return f"{HOST}:{wire.port}"

    def queue(self, client: str) -> tuple[str, str]:
        return "queue_url", f"redis://{self.wire(client, self.redis)}/0"

    def server(self, name: str, module: str, *words: str) -> Program:
        """A program of the tests' own: `python -m MODULE PORT WORD…`, ready when it listens."""
        port = self.port()

        async def ready() -> bool:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                return False
            writer.close()
            return True

        command = (sys.executable, "-m", module, str(port), *words)
        return Program(
            name, command, self.maker.log(name), ready, f"{HOST}:{port}", environment=self.maker.mark
        )
