"""An observation of the environment as a message to the policy."""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from farfield_openenv.adapter.link import EnvironmentFault
from farfield_openenv.adapter.options import OpenEnvOptions
from farfield_sdk import Image, Message, user

_PLACE = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,")
_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_NOTHING = "(an empty observation)"


def message_of(observation: Mapping[str, Any], options: OpenEnvOptions, before: str = "") -> Message:
    """Images first, then `before` and the words."""
    words = (
        _filled(options.template, observation) if options.template else _listed(observation, options.images)
    )
    text = "\n\n".join(filter(None, [before, words]))
    images = list(_images(observation, options.images))
    if not text and not images:
        return user(_NOTHING)
    return user(*images, *filter(None, [text]))


def metrics_of(metadata: Mapping[str, Any]) -> dict[str, float]:
    """What is a finite number, truth values included."""
    numbers = {name: float(value) for name, value in metadata.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _filled(template: str, observation: Mapping[str, Any]) -> str:
    return _PLACE.sub(lambda place: _text(_value(observation, place[1])), template)


def _listed(observation: Mapping[str, Any], images: tuple[str, ...]) -> str:
    shown = {
        name: _text(value)
        for name, value in observation.items()
        if name != "metadata" and name not in images and value not in (None, "")
    }
    if len(shown) == 1:
        return next(iter(shown.values()))
    return "\n".join(f"{name}: {text}" for name, text in shown.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(observation: Mapping[str, Any], path: str) -> Any:
    found: Any = observation
    for name in path.split("."):
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise EnvironmentFault(f"the observation has no '{path}'; its fields: {', '.join(observation)}")
    return found


def _images(observation: Mapping[str, Any], paths: tuple[str, ...]) -> Iterator[Image]:
    for path in paths:
        value = _value(observation, path)
        for encoded in value if isinstance(value, list) else [value]:
            if encoded:
                yield _image(encoded, path)


def _image(encoded: Any, path: str) -> Image:
    url = _DATA_URL.match(encoded) if isinstance(encoded, str) else None
    try:
        data = base64.b64decode(encoded[url.end() :] if url else encoded, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise EnvironmentFault(f"the observation's '{path}' is no image in base64: {error}") from None
    return Image(data, url[1] if url else _media_type(data, path))


def _media_type(data: bytes, path: str) -> str:
    for magic, media_type in _MAGIC.items():
        if data.startswith(magic):
            return media_type
    raise EnvironmentFault(f"the observation's '{path}' is neither PNG, JPEG, GIF nor WebP")
