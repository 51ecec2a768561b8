"""What the commands call a secure stack with."""

from pathlib import Path

import yaml
from pydantic import Field

from farfield_kernel.client import ClientConfig
from farfield_kernel.config import Config, parse
from farfield_kernel.tls import TlsConfig

COMMAND = "command"


class CommandKeys(Config):
    """What a command proves itself by."""

    tls: TlsConfig
    token: str = Field(repr=False)
    redis: str = Field(default="", repr=False)
    """URL of the user that may ask whether Redis answers; empty where there is none."""

    def way(self, name: str, address: str) -> ClientConfig:
        """How the process of this name is called."""
        tls = self.tls.model_copy(update={"server_name": name})
        return ClientConfig(address=address, tls=tls, token=self.token)


def read(folder: Path) -> CommandKeys:
    """Of a stack whose keys are in `folder`."""
    path = folder / f"{COMMAND}.yaml"
    return parse(CommandKeys, yaml.safe_load(path.read_text()), str(path))
