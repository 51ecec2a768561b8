"""Whether run configs are valid: `python -m farfield_trainer.check`, a JSON object of configs by name on
stdin, and on stdout one of what is wrong with those that are not. Knows no torch.
"""

import json
import sys

from farfield_kernel.config import parse
from farfield_kernel.errors import InvalidArgument
from farfield_trainer.run_config import RunConfig


def faults(configs: dict[str, object]) -> dict[str, str]:
    """By name; empty when all are valid."""
    found = {}
    for name, config in configs.items():
        try:
            parse(RunConfig, config if isinstance(config, dict) else {}, "run config")
        except InvalidArgument as error:
            found[name] = str(error)
    return found


if __name__ == "__main__":
    json.dump(faults(json.load(sys.stdin)), sys.stdout)
