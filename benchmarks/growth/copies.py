"""The environment or the verifier service with copies of GeneralPoints under own names, for `growth.py`.

    python -m benchmarks.growth.copies {environment,verifier} COPIES IMAGE_BYTES [--server.port PORT …]

With IMAGE_BYTES an environment shows so many bytes with each hand: the same for a seed, and no picture.
"""

import random
import sys

import uvloop

from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel import logs
from farfield_kernel.config import load
from farfield_kernel.plugins import Loaded, Plugin
from farfield_sdk import Image, Observation, Start, user


def name_of(copy: int) -> str:
    return f"hands-{copy}"


class Hands(GeneralPoints):
    image_bytes = 0

    def reset(self, seed: int) -> Start:
        start = super().reset(seed)
        if not self.image_bytes:
            return start
        (opening,) = start.observation.messages
        image = Image(random.Random(seed).randbytes(self.image_bytes))
        return Start(Observation((user(image, opening.text),)), start.facts)


def copies(base: type, count: int, **attributes: object) -> Loaded:
    classes = [type(base.__name__, (base,), {"name": name_of(copy), **attributes}) for copy in range(count)]
    return Loaded("copies", {cls.name: Plugin(cls, "benchmark") for cls in classes}, {})


def environment(count: int, image_bytes: int, arguments: list[str]) -> None:
    from farfield_environment.config import EnvironmentConfig
    from farfield_environment.service import run

    config = load(EnvironmentConfig, "farfield-environment", arguments)
    uvloop.run(run(config, copies(Hands, count, image_bytes=image_bytes)))


def verifier(count: int, arguments: list[str]) -> None:
    from farfield_verifier.config import VerifierConfig
    from farfield_verifier.service import run

    uvloop.run(
        run(load(VerifierConfig, "farfield-verifier", arguments), copies(GeneralPointsVerifier, count))
    )


def main(kind: str, count: str, image_bytes: str, *arguments: str) -> None:
    logs.setup(kind, "warning")
    if kind == "environment":
        environment(int(count), int(image_bytes), list(arguments))
    else:
        verifier(int(count), list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
