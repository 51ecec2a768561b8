"""The same environments behind dm_env_rpc and its client. Run by `.peers/dm_env_rpc/bin/python`.

    python -m benchmarks.environment.dm_env_rpc_side serve ENVIRONMENT
    python -m benchmarks.environment.dm_env_rpc_side play PORT

A round's arguments are SESSIONS SECONDS ENVIRONMENT (`player.py`). Its server and its client are of gRPC's
synchronous kind: every session has a stream, and a thread at both ends.
"""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import grpc
import numpy as np
from dm_env_rpc.v1 import dm_env_adaptor, dm_env_rpc_pb2, dm_env_rpc_pb2_grpc, tensor_utils
from dm_env_rpc.v1.connection import Connection

from benchmarks.environment.games import IMAGE_BYTES, RESPONSE, length, made
from benchmarks.environment.player import rounds, when_all_are_ready
from farfield_sdk import Image, State

MOST = 1000
"""Sessions, and with them threads, that the server takes."""
TEXT, IMAGE, REWARD = 1, 2, 3
OPTIONS = [(f"grpc.max_{way}_message_length", 64 * 1024 * 1024) for way in ("send", "receive")]


def specs(visual: bool) -> Any:
    found = dm_env_rpc_pb2.ActionObservationSpecs()
    found.actions[1].name, found.actions[1].dtype = "response", dm_env_rpc_pb2.DataType.STRING
    found.observations[TEXT].name = "text"
    found.observations[TEXT].dtype = dm_env_rpc_pb2.DataType.STRING
    found.observations[REWARD].name = "reward"
    found.observations[REWARD].dtype = dm_env_rpc_pb2.DataType.FLOAT
    if visual:
        found.observations[IMAGE].name = "image"
        found.observations[IMAGE].dtype = dm_env_rpc_pb2.DataType.UINT8
        found.observations[IMAGE].shape.append(-1)
    return found


class Session:
    """One stream's world."""

    def __init__(self, environment: str, seeds: Iterator[int]) -> None:
        self._game, self._seeds = made(environment), seeds
        self._specs = specs(environment == "picture")
        self._started = False

    def answer(self, request: Any) -> Any:
        kind = request.WhichOneof("payload")
        answer = dm_env_rpc_pb2.EnvironmentResponse()
        if kind == "create_world":
            answer.create_world.world_name = "world"
        elif kind == "join_world":
            answer.join_world.specs.CopyFrom(self._specs)
        elif kind == "reset":
            self._started = False
            answer.reset.specs.CopyFrom(self._specs)
        elif kind == "step":
            self._step(request.step, answer.step)
        else:
            getattr(answer, kind).SetInParent()
        return answer

    def _step(self, request: Any, answer: Any) -> None:
        """The first after a reset only shows where the episode begins."""
        if self._started:
            outcome = self._game.step(str(tensor_utils.unpack_tensor(request.actions[1])))
            observation, reward = outcome.observation, float(outcome.success)
            self._started = outcome.state is State.CONTINUE
        else:
            observation, reward, self._started = self._game.reset(next(self._seeds)).observation, 0.0, True
        state = dm_env_rpc_pb2.EnvironmentStateType
        answer.state = state.RUNNING if self._started else state.TERMINATED
        given = {TEXT: "".join(message.text for message in observation.messages), REWARD: np.float32(reward)}
        parts = [part for message in observation.messages for part in message.parts]
        for image in (part for part in parts if isinstance(part, Image)):
            given[IMAGE] = np.frombuffer(image.data, np.uint8)
        for uid, value in given.items():
            if uid in request.requested_observations:
                answer.observations[uid].CopyFrom(tensor_utils.pack_tensor(value))


class Servicer(dm_env_rpc_pb2_grpc.EnvironmentServicer):
    def __init__(self, environment: str) -> None:
        self._environment, self._seeds = environment, count()

    def Process(self, requests: Any, context: Any) -> Iterator[Any]:
        session = Session(self._environment, self._seeds)
        for request in requests:
            yield session.answer(request)


def serve(environment: str) -> None:
    server = grpc.server(ThreadPoolExecutor(MOST), options=OPTIONS)
    dm_env_rpc_pb2_grpc.add_EnvironmentServicer_to_server(Servicer(environment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), file=sys.stderr, flush=True)
    server.wait_for_termination()


def one(env: Any, end: float, environment: str) -> int:
    steps = 0
    while time.perf_counter() < end:
        env.reset()
        for _ in range(length(environment)):
            shown = env.step({"response": RESPONSE}).observation
            steps += 1
            if environment == "picture":
                assert len(shown["image"]) == IMAGE_BYTES
            if time.perf_counter() > end:
                break
    return steps


def joined(channel: Any) -> Any:
    connection = Connection(channel)
    return dm_env_adaptor.create_and_join_world(connection, {}, {})[0]


def play(port: int, sessions: int, seconds: float, environment: str) -> dict[str, float]:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
    envs = [joined(channel) for _ in range(sessions)]

    def going(for_seconds: float) -> int:
        end = time.perf_counter() + for_seconds
        with ThreadPoolExecutor(sessions) as threads:
            return sum(threads.map(lambda env: one(env, end, environment), envs))

    going(0.1)
    found = when_all_are_ready()(going(seconds))
    for env in envs:
        env.close()
    channel.close()
    return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        port = int(sys.argv[2])
        rounds(lambda *given: play(port, *given))
