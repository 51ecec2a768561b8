"""OpenEnv's own client against a facade: GeneralPoints, by its plain words and by its synchronous form.

Run by an interpreter that has `openenv`: python openenv_player.py URL. Prints one JSON list.
"""

import asyncio
import json
import sys
from typing import Any

from openenv.core.generic_client import GenericEnvClient


def shown(result: Any) -> dict[str, Any]:
    return {
        "text": result.observation["text"],
        "reward": result.reward,
        "done": result.done,
        "metadata": result.metadata,
    }


async def play(url: str) -> list[Any]:
    async with GenericEnvClient(base_url=url) as client:
        start = await client.reset(seed=3, options={"max_turns": 2})
        steps = [await client.step({"response": "no idea"}) for _ in range(2)]
        state = await client.state()
        try:
            await client.step({"response": "one more"})
        except RuntimeError as error:
            refusal = str(error)
        return [*map(shown, [start, *steps]), state, refusal]


def play_synchronously(url: str) -> list[Any]:
    with GenericEnvClient(base_url=url).sync() as client:
        return [shown(client.reset(seed=3)), shown(client.step({"response": "no idea"}))]


if __name__ == "__main__":
    print(json.dumps([asyncio.run(play(sys.argv[1])), play_synchronously(sys.argv[1])]))
