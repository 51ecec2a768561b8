"""One evaluation from beginning to end."""

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from farfield_cli.cluster.choice import Choice
from farfield_cli.evaluation import cast, files, suites
from farfield_cli.evaluation.cast import Cast
from farfield_cli.evaluation.place import Place, place
from farfield_cli.evaluation.plan import EvalPlan, planned
from farfield_cli.evaluation.play import Episode, played, rollout_config
from farfield_cli.evaluation.result import Json, Result, about, result_of
from farfield_cli.evaluation.settings import Players, Settings
from farfield_cli.evaluation.suites import Suite
from farfield_cli.evaluation.view import EvalView
from farfield_cli.services import Services
from farfield_cli.stack.supervisor import Supervisor
from farfield_cli.terminal import console
from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_kernel.weights import fingerprint


async def evaluated(
    settings: Settings,
    players: Players,
    out: Path,
    when_made: Callable[[Supervisor], None],
    choice: Choice | None = None,
) -> Result:
    """Plays the suite, writes its files into `out`, and returns the result."""
    known = known_suite(settings)
    environment = known.environment if known else settings.environment_name
    checkpoint = _checkpoint(players.model)
    async with (
        _place(players, out, when_made, choice, environment) as at,
        Services.at(at.environment, at.verifier) as services,
    ):
        company = await cast.meet(at, services, environment)
        suite = _suite_of(known, company, settings.variants)
        plan = planned(settings, suite, company.environment, company.policy)
        await cast.check_playable(services, company, plan)
        began = time.monotonic()
        episodes = await at.supervisor.beside(_play(at, plan, players))
        seconds = time.monotonic() - began
        await _check_same_weights(at, plan)
    trajectories = [one.trajectory for one in episodes]
    result = result_of(plan, trajectories, about(settings, plan, company, checkpoint, seconds))
    files.write(out, result, episodes)
    return result


def _place(
    players: Players,
    out: Path,
    when_made: Callable[[Supervisor], None],
    choice: Choice | None,
    environment: str,
) -> AbstractAsyncContextManager[Place]:
    if choice is None:
        return place(players, out, when_made)
    from farfield_cli.cluster.players import place as place_there

    return place_there(choice, players, environment)


async def _play(at: Place, plan: EvalPlan, players: Players) -> list[Episode]:
    view = EvalView(console, plan)
    with view.showing():
        specs = plan.specs(secrets.token_hex(4))
        return await played(rollout_config(at, players.concurrency), specs, view.observe, at.directory)


def known_suite(settings: Settings) -> Suite | None:
    """The named suite; None where an environment was named instead. NotFound for a name that is none,
    InvalidArgument where there is neither or both."""
    if bool(settings.suite) == bool(settings.environment_name):
        raise InvalidArgument(
            f"say what to play: --suite NAME ({', '.join(suites.SUITES)}), or --env NAME of any environment"
        )
    return suites.some_of(suites.named(settings.suite), settings.variants) if settings.suite else None


def _suite_of(known: Suite | None, company: Cast, variants: tuple[str, ...]) -> Suite:
    info = company.environment
    if known is None:
        return Suite(info.name, info.summary, info.name, cast.parts_of(info, variants))
    cast.check_roles(info, known)
    return known


def _checkpoint(model: Path | None) -> Json:
    return {} if model is None else {"model": str(model), "fingerprint": fingerprint(model)}


async def _check_same_weights(at: Place, plan: EvalPlan) -> None:
    """Weights without a name cannot be asked for; that they stayed the same is seen afterwards."""
    now = (await cast.described(at.policy)).weights
    if now != plan.weights:
        raise FailedPrecondition(
            f"the policy at {at.policy.address} changed its weights meanwhile (version "
            f"{plan.weights.version} to {now.version}): what was played is of no one version. "
            "Evaluate a policy that nobody trains"
        )
