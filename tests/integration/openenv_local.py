"""OpenEnv's echo environment as an object in this process. Run by an interpreter that has `openenv`, with the
adapter and the SDK on its path."""

import asyncio
import json
import os

from farfield_openenv.adapter.environment import OpenEnv
from farfield_openenv.adapter.options import LOCAL_CLASSES


async def play() -> list[object]:
    os.environ[LOCAL_CLASSES] = "openenv_echo:Echo"
    game = OpenEnv(OpenEnv.Options(local="openenv_echo:Echo", action_field="response", template="{text}"))
    start, outcome = await game.reset(7), await game.step("hello")
    texts = [one.observation.messages[0].text for one in (start, outcome)]
    return [*texts, outcome.facts["reward"]]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play())))
