"""Atropos's server of trajectories, and rounds through it. Run by `.peers/atropos/bin/python`.

    python -m benchmarks.queue.atropos_side serve
    python -m benchmarks.queue.atropos_side play PORT BATCH

A player reads `BYTES COUNT` from stdin, a line a round, and answers with the seconds that so many sequences
took in and out, and its CPU seconds. A sequence is BYTES long as int32: one half token ids, one half their
mask. They go in by groups of four, several at once, and come out in batches, as its environments and its
trainer do it: JSON over HTTP.
"""

import asyncio
import json
import random
import socket
import sys
import time
from typing import Any

import aiohttp
import uvicorn
from atroposlib.api.server import app

GROUP, AT_ONCE = 4, 8
VOCABULARY = 150_000
REGISTRATION = {
    "wandb_group": "",
    "wandb_project": "",
    "max_token_len": 1 << 20,
    "checkpoint_dir": "",
    "save_checkpoint_interval": 0,
    "starting_step": 0,
    "num_steps": 1 << 20,
}


def serve() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        print(json.dumps({"port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


def group(size: int) -> dict[str, Any]:
    count = size // 8
    tokens = [[random.randrange(VOCABULARY) for _ in range(count)] for _ in range(GROUP)]
    return {"tokens": tokens, "masks": [[1] * count] * GROUP, "scores": [0.0] * GROUP}


async def push(session: aiohttp.ClientSession, groups: list[dict[str, Any]]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(data: dict[str, Any]) -> None:
        async with room, session.post("/scored_data", json=data) as answer:
            assert (await answer.json())["status"] == "received"

    await asyncio.gather(*map(one, groups))


async def pull(session: aiohttp.ClientSession, count: int) -> None:
    while count:
        async with session.get("/batch") as answer:
            batch = (await answer.json())["batch"]
        count -= sum(len(one["tokens"]) for one in batch)


async def play(port: int, batch: int) -> None:
    url = f"http://127.0.0.1:{port}"
    registration = {**REGISTRATION, "batch_size": batch}
    async with aiohttp.ClientSession(url) as session, session.post("/register", json=registration) as answer:
        assert answer.ok
    while line := await asyncio.to_thread(sys.stdin.readline):
        size, count = map(int, line.split())
        groups = [group(size) for _ in range(count // GROUP)]
        async with aiohttp.ClientSession(url) as session:  # its server closes connections that are silent
            cpu, began = time.process_time(), time.perf_counter()
            await push(session, groups)
            between = time.perf_counter()
            await pull(session, count)
            done = time.perf_counter()
        told = {"in": between - began, "out": done - between, "cpu": time.process_time() - cpu}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else asyncio.run(play(*map(int, sys.argv[2:])))
