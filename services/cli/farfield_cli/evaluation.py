"""An evaluation as a run config of its own: suites, and no updates."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from farfield_cli.run_file import Config
from farfield_kernel.errors import InvalidArgument, NotFound


@dataclass(frozen=True, slots=True)
class EvalOptions:
    model: Path
    environment: str
    variants: tuple[str, ...]
    options: tuple[str, ...]
    verifier: str
    verifier_options: tuple[str, ...]
    episodes: int
    max_new_tokens: int
    temperature: float
    seed: int


def evaluation_config(options: EvalOptions) -> tuple[str, Config]:
    """A run id that names these settings, so that asking twice answers at once; and the config."""
    base = checkpoint(options.model)
    given = pairs(options.options)
    suites = {
        variant or "default": {
            "episodes": options.episodes,
            "seed": options.seed,
            "environment": {"name": options.environment, "variant": variant, "options": given},
        }
        for variant in (name.strip() for name in options.variants)
    }
    leaf = {"verifier": options.verifier or options.environment, "options": pairs(options.verifier_options)}
    config: Config = {
        "algorithm": {"kind": "rl"},
        "base": str(base),
        "environment": {"name": options.environment},
        "reward": {"leaf": leaf},
        "sampling": {"max_new_tokens": options.max_new_tokens, "temperature": options.temperature},
        "updates": 0,
        "evaluation": {"suites": suites},
    }
    digest = hashlib.sha256(f"{json.dumps(config, sort_keys=True)}{_stamp(base)}".encode()).hexdigest()[:8]
    return f"eval-{_label(base)}-{digest}", config


def checkpoint(model: Path) -> Path:
    """The folder itself when it is a checkpoint; of a run's folder the newest weights."""
    folder = model.expanduser().resolve()
    if (folder / "config.json").exists():
        return folder
    versions = sorted(one for one in (folder / "weights").glob("*") if (one / "config.json").exists())
    if not versions:
        raise NotFound(f"{model} is neither a checkpoint (no config.json) nor a run with weights")
    return versions[-1]


def pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE, the value read as YAML: 5 is a number, true a truth."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"{text!r}: write KEY=VALUE")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[key] = value
    return found


def _label(base: Path) -> str:
    """Weights of a run are named after it."""
    name = f"{base.parent.parent.name}-{int(base.name)}" if base.parent.name == "weights" else base.name
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:40].strip(".-") or "model"


def _stamp(base: Path) -> str:
    """Changes when the checkpoint is written anew under the same name."""
    newest = max((file.stat().st_mtime_ns for file in base.glob("*.safetensors")), default=0)
    return str(newest)
