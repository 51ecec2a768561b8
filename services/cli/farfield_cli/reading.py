"""Episodes as a report shows them, from the trajectories that trainers keep."""

import base64
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from farfield_cli.run_folder import Json, RunFolder

MOST_BYTES = 24 << 20
"""Of images in one page."""
_STATES = {"STATE_TERMINATED": "ended", "STATE_TRUNCATED": "cut off"}
_ROLES = {"ROLE_SYSTEM": "system", "ROLE_USER": "user", "ROLE_ASSISTANT": "assistant"}


def shelves(name: str, run: RunFolder, *, last_only: bool) -> list[Json]:
    """Episodes of a run by suite and version; the last version of each suite, or the first too."""
    by_suite: dict[str, list[tuple[int, list[Json]]]] = {}
    for suite, version, episodes in run.episodes():
        by_suite.setdefault(suite, []).append((version, episodes))
    found = []
    for suite, versions in by_suite.items():
        kept = versions[-1:] if last_only or len(versions) == 1 else [versions[0], versions[-1]]
        found += [
            {"branch": name, "suite": suite, "version": version, "episodes": list(map(episode, episodes))}
            for version, episodes in kept
        ]
    return found


def episode(trajectory: Json) -> Json:
    """One trajectory, as JSON of protobuf, without what nobody reads."""
    spec = trajectory.get("spec", {})
    return {
        "id": spec.get("episodeId", ""),
        "seed": spec.get("environmentSeed", ""),
        "success": trajectory.get("success", False),
        "failure": trajectory.get("failureDetail", "") if trajectory.get("failure") else "",
        "end": _STATES.get(trajectory.get("end", ""), ""),
        "turns": list(map(_turn, trajectory.get("turns", []))),
    }


def _turn(turn: Json) -> Json:
    return {
        "messages": [_message(message) for message in turn.get("messages", [])],
        "response": turn.get("responseText", ""),
        "verdict": _verdict(turn["verdict"]) if "verdict" in turn else None,
    }


def _message(message: Json) -> Json:
    return {
        "role": _ROLES.get(message.get("role", ""), "?"),
        "parts": list(map(_part, message.get("parts", []))),
    }


def _part(part: Json) -> Json:
    """Text, or an image by its digest."""
    return {"image": part["image"].get("sha256", "")} if "image" in part else {"text": part.get("text", "")}


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
