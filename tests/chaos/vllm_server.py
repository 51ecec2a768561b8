"""The stand-in for a vLLM server as a process: `python -m tests.chaos.vllm_server PORT CHECKPOINT`."""

import asyncio
import sys
from pathlib import Path

from tests.vllm_stand_in import VllmStandIn

ROWS = 32


async def serve(port: int, checkpoint: Path) -> None:
    server = VllmStandIn(checkpoint, rows=ROWS, deterministic=True)
    server.port = port
    async with server:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
