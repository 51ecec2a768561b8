"""Whether every run of an experiment could begin: asked of those who will have to play it.

The trainer's schema is asked in a process of its own, since it is the trainer's. Environments, demonstrations
and rewards are asked of services.
"""

import asyncio
import json
import sys
from typing import Any

from farfield.environment.v1 import environment_pb2 as env
from farfield_cli.experiment.definition.configs import config
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Json
from farfield_cli.services import Services, environment_ref
from farfield_kernel.errors import FarfieldError, InvalidArgument, NotFound
from farfield_kernel.reward_plans import reward_plan

_OWN = "an arm has besides: label, from, suites, sweep"


def configs(experiment: Experiment) -> dict[str, Json]:
    """The first seed's run config of each arm, as far as it is known before anything is played."""
    return {
        arm: config(experiment, arm, experiment.seeds[0]) | {"base": "known later"} for arm in experiment.arms
    }


async def check_configs(experiment: Experiment) -> None:
    """InvalidArgument names every arm whose run config the trainer would refuse, and why."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "farfield_trainer.check"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    answer, said = await child.communicate(json.dumps(configs(experiment)).encode())
    if child.returncode:
        raise NotFound(
            f"the trainer's schema cannot be asked: {said.decode(errors='replace').strip()[-300:]}"
        )
    faults: dict[str, str] = json.loads(answer)
    if faults:
        lines = [f"  arm {arm}: {_without_heading(text)}" for arm, text in faults.items()]
        what = f"{experiment.name}, scale {experiment.scale}"
        raise InvalidArgument(f"{what}: run configs are not valid ({_OWN}):\n" + "\n".join(lines))


def _without_heading(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines()[1:]) or text


async def check_plugins(experiment: Experiment, services: Services) -> None:
    """That every environment starts, demonstrates in the styles that are asked for, and can be judged."""
    for name, suite in experiment.suites.items():
        await _at(f"suite {name}", _starts(services, suite.environment))
        if suite.reward:
            await _at(f"suite {name}", services.verify_plan(reward_plan(suite.reward)))
    for arm, one in configs(experiment).items():
        await _at(f"arm {arm}", _starts(services, one["environment"]))
        if one.get("reward"):
            await _at(f"arm {arm}", services.verify_plan(reward_plan(one["reward"])))
        if style := one.get("demonstrations", {}).get("style"):
            await _at(f"arm {arm}", _demonstrates(services, one["environment"]["name"], style))


async def _starts(services: Services, choice: Json) -> None:
    ref = environment_ref(choice["name"], choice.get("variant", ""), choice.get("options", {}))
    await services.create(ref, "check", 0)
    await services.close("check")


async def _demonstrates(services: Services, environment: str, style: str) -> None:
    info: env.EnvironmentInfo = await services.environment(environment)
    if style not in info.demonstration_styles:
        known = ", ".join(info.demonstration_styles) or "none"
        raise InvalidArgument(f"{environment} has no demonstrations of style '{style}'; it has {known}")


async def _at(place: str, asked: Any) -> None:
    try:
        await asked
    except FarfieldError as error:
        raise type(error)(f"{place}: {error}") from None
