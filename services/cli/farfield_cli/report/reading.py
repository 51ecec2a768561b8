"""Episodes as a report shows them, from the trajectories that trainers keep."""

import base64
import mimetypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from farfield_cli.report.tokens import Decode
from farfield_cli.runs.run_folder import Json, RunFolder

MOST_BYTES = 24 << 20
"""Of images in one page."""
_RANKS = re.compile(r"10|[2-9AJQK]")
_CARDS = re.compile(r"cards:? ((?:(?:10|[2-9AJQK])(?:, | |$|(?=\n))){4})", re.MULTILINE)
"""How GeneralPoints tells its cards, in either prompt."""
_STATES = {"STATE_TERMINATED": "ended", "STATE_TRUNCATED": "cut off"}
_ROLES = {"ROLE_SYSTEM": "system", "ROLE_USER": "user", "ROLE_ASSISTANT": "assistant"}


def shelves(arm: str, run: RunFolder, *, last_only: bool) -> list[Json]:
    """Episodes of a run by suite and version; the last version of each suite, or the first too."""
    by_suite: dict[str, list[tuple[int, list[Json]]]] = {}
    for suite, version, episodes in run.episodes():
        by_suite.setdefault(suite, []).append((version, episodes))
    found = []
    for suite, versions in by_suite.items():
        kept = versions[-1:] if last_only or len(versions) == 1 else [versions[0], versions[-1]]
        found += [shelf(arm, suite, version, episodes, run.decoder()) for version, episodes in kept]
    return found


def shelf(
    arm: str, suite: str, version: int, trajectories: Iterable[Json], decode: Decode | None = None
) -> Json:
    """Episodes that stand together: of one arm, suite and version."""
    episodes = [episode(one, decode) for one in trajectories]
    return {"arm": arm, "suite": suite, "version": version, "episodes": episodes}


def episode(trajectory: Json, decode: Decode | None = None) -> Json:
    """One trajectory, as JSON of protobuf, without what nobody reads."""
    spec = trajectory.get("spec", {})
    game = spec.get("environment", {}).get("name", "")
    return {
        "id": spec.get("episodeId", ""),
        "seed": spec.get("environmentSeed", ""),
        "success": trajectory.get("success", False),
        "failure": trajectory.get("failureDetail", "") if trajectory.get("failure") else "",
        "end": _STATES.get(trajectory.get("end", ""), ""),
        "turns": [_turn(turn, game, decode) for turn in trajectory.get("turns", [])],
    }


def _turn(turn: Json, game: str, decode: Decode | None) -> Json:
    return {
        "messages": [_message(message, game) for message in turn.get("messages", [])],
        "response": turn.get("responseText", ""),
        "verdict": _verdict(turn["verdict"]) if "verdict" in turn else None,
        **_tokens(turn, decode),
    }


def _tokens(turn: Json, decode: Decode | None) -> Json:
    """Texts and logprobs, where the run kept both and its tokenizer is at hand."""
    ids, logprobs = turn.get("responseIds", []), turn.get("logprobs", [])
    if decode is None or not ids or len(ids) != len(logprobs):
        return {}
    return {"tokens": decode(ids), "logprobs": logprobs}


def _message(message: Json, game: str) -> Json:
    return {
        "role": _ROLES.get(message.get("role", ""), "?"),
        "parts": [_part(part, game) for part in message.get("parts", [])],
    }


def _part(part: Json, game: str) -> Json:
    """Text, with the cards that it names; or an image by its digest."""
    if "image" in part:
        return {"image": part["image"].get("sha256", "")}
    text = part.get("text", "")
    cards = _CARDS.search(text) if game == "generalpoints" else None
    return {"text": text} | ({"cards": _RANKS.findall(cards[1])} if cards else {})


def pictures(shelved: Iterable[Json], files: Iterable[Path], most_bytes: int = MOST_BYTES) -> dict[str, str]:
    """The images that these shelves show, as data URLs by digest; those that still fit into the page. `files`
    are named by their digests."""
    shown = dict.fromkeys(
        part["image"]
        for shelf in shelved
        for episode in shelf["episodes"]
        for turn in episode["turns"]
        for message in turn["messages"]
        for part in message["parts"]
        if "image" in part
    )
    kept = {path.stem: path for path in files}
    found: dict[str, str] = {}
    for digest in shown:
        if digest in kept and (most_bytes := most_bytes - kept[digest].stat().st_size) >= 0:
            kind = mimetypes.guess_type(kept[digest].name)[0] or "image/png"
            data = base64.b64encode(kept[digest].read_bytes()).decode()
            found[digest] = f"data:{kind};base64,{data}"
    return found


def _verdict(verdict: Json) -> dict[str, Any]:
    """Protobuf leaves zeros out of its JSON; a verdict that is there has them all."""
    return {
        "reward": verdict.get("reward", 0.0),
        "correct": verdict.get("correct", False),
        "parseable": verdict.get("parseable", False),
        "feedback": verdict.get("feedback", ""),
        "terms": verdict.get("terms", {}),
    }
