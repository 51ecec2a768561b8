"""The adapter of `verifiers` with the library itself. Prints one JSON object.

Run by an interpreter that has the library, with the adapter, the SDK and this folder on its path.
"""

import json
import os
from typing import Any

from farfield_sdk import Attempt
from farfield_verifiers.environment import Taskset
from farfield_verifiers.options import ADMITTED
from farfield_verifiers.verifier import TasksetVerifier


def game(**config: Any) -> Taskset:
    return Taskset(Taskset.Options(taskset="verifiers_sums", config=config))


def prompts(split: Any) -> list[str]:
    session = Taskset(Taskset.Options(taskset="verifiers_sums", config={"count": 40}, split=split))
    return [session.reset(seed).observation.messages[-1].text for seed in range(80)]


def failure(call: Any, *args: Any) -> str:
    try:
        return f"no failure: {call(*args)}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    os.environ[ADMITTED] = "verifiers_sums"
    judge = TasksetVerifier(TasksetVerifier.Options())
    session = game(count=4)
    start = session.reset(5)
    facts = json.loads(json.dumps(start.facts))  # as they come over the wire
    verdicts = [judge.verify(Attempt(reply, facts)) for reply in ("2", "3", "a long answer")]
    report = {
        "messages": [[one.role, one.text] for one in start.observation.messages],
        "state": session.step("2").state.value,
        "verdicts": [[one.reward, one.correct, dict(one.terms)] for one in verdicts],
        "broken": failure(judge.verify, Attempt("break", facts)),
        "splits": {split: prompts(split) for split in ("all", "train", "heldout")},
        "none": failure(
            Taskset(Taskset.Options(taskset="verifiers_sums", split="heldout", limit=1)).reset, 0
        ),
        "prepared": failure(game(prepared=True).reset, 0),
    }
    print(json.dumps(report))
