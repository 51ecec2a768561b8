"""A policy service's own configuration, for a stack whose engine is another than the embedded one."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy-config",
        metavar="FILE",
        help="The policies' configuration, e.g. of an external engine; see docs/engines.md.",
    ),
]
_FOLDERS = ("tokenizer", "model_path", "model")


def model_in(file: Path) -> Path:
    """The folder whose tokenizer the configured engine speaks."""
    engine = _engine_in(file)
    folder = next((engine[key] for key in _FOLDERS if engine.get(key)), None)
    if folder is None:
        raise typer.BadParameter(f"{file}: engine has none of {', '.join(_FOLDERS)}; name the model's folder")
    return Path(folder)


def _engine_in(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text())
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} is not YAML: {error}") from None
    engine = read.get("engine") if isinstance(read, dict) else None
    if not isinstance(engine, dict):
        raise typer.BadParameter(f"{file} has no section engine; write engine: {{kind: tgi, url: …, …}}")
    return engine
