"""Planning: which episodes an update or an evaluation plays, as pure functions of the run's config.

Planning again gives the same bytes, so a lost plan loses nothing.

Seeds are hashes of paths of words; `farfield_kernel.seeds` has the rule and those of evaluations.
  training       train/environment/<run seed>/<update>/<group>       one start for a whole group
                 train/sampling/<run seed>/<update>/<index>
  demonstration  demonstrate/<run seed>, in the lowest quarter; then consecutive
"""

import re

from farfield.trajectory.v1.trajectory_pb2 import PURPOSE_EVAL, PURPOSE_TRAIN, EpisodeSpec
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.seeds import HALF_BITS, evaluation_sampling_seed, evaluation_seed, hashed
from farfield_trainer.run_config import BatchConfig, RunConfig, SamplingChoice


def check_run_id(run_id: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", run_id):
        raise InvalidArgument(
            f"run id {run_id!r}: write 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit"
        )


def train_lot(run_id: str, update: int) -> str:
    """The common part of an update's episode ids."""
    return f"{run_id}/train/{update:06d}"


def evaluation_lot(run_id: str, suite: str, version: int) -> str:
    return f"{run_id}/eval/{suite}/{version:06d}"


def lot_of(episode_id: str) -> str:
    return episode_id.rpartition("/")[0]


def kind_of(lot: str) -> str:
    """ "train" or "eval"."""
    return lot.split("/")[1]


def ids_of(lot: str, episodes: int) -> list[str]:
    return [f"{lot}/{index:04d}" for index in range(episodes)]


def training_episodes(run_id: str, config: RunConfig, update: int) -> list[EpisodeSpec]:
    """The episodes of one RL update, group by group."""
    batch, sampling = _needed(config.batch), _needed_sampling(config.sampling)
    lot, reward, environment = train_lot(run_id, update), config.reward_plan(), config.environment.ref()
    return [
        EpisodeSpec(
            episode_id=episode_id,
            run_id=run_id,
            purpose=PURPOSE_TRAIN,
            environment=environment,
            reward=reward,
            environment_seed=_training_seed(config.seed, update, index // batch.group_size),
            sampling_seed=hashed("train", "sampling", config.seed, update, index),
            sampling=sampling.message(),
            group=f"{lot}/g{index // batch.group_size:04d}",
            update=update,
            index=index,
            policy_version=update,
            max_staleness=config.max_staleness,
            max_turns=batch.max_turns,
        )
        for index, episode_id in enumerate(ids_of(lot, batch.episodes))
    ]


def evaluation_episodes(run_id: str, config: RunConfig, suite: str, version: int) -> list[EpisodeSpec]:
    """The episodes of a suite for one version. Apart from ids and version they are always the same."""
    chosen = config.evaluation.suites[suite]
    lot, reward, environment = (
        evaluation_lot(run_id, suite, version),
        config.suite_reward(chosen),
        chosen.environment.ref(),
    )
    sampling = _needed_sampling(chosen.sampling or config.sampling)
    return [
        EpisodeSpec(
            episode_id=episode_id,
            run_id=run_id,
            purpose=PURPOSE_EVAL,
            environment=environment,
            reward=reward,
            environment_seed=evaluation_seed(chosen.seed, index),
            sampling_seed=evaluation_sampling_seed(chosen.seed, index),
            sampling=sampling.message(),
            update=version,
            index=index,
            policy_version=version,
            suite=suite,
            max_turns=chosen.max_turns,
        )
        for index, episode_id in enumerate(ids_of(lot, chosen.episodes))
    ]


def _training_seed(run_seed: int, update: int, group: int) -> int:
    return hashed("train", "environment", run_seed, update, group, bits=HALF_BITS)


def demonstration_seed(config: RunConfig, update: int) -> int:
    """The first seed of an SFT update; the others follow it."""
    chosen = config.demonstrations
    if chosen is None:
        raise InvalidArgument("this run has no demonstrations")
    start = hashed("demonstrate", config.seed, bits=HALF_BITS - 1)
    return start + chosen.seed_offset + update * chosen.batch_size


def planned_ahead(config: RunConfig, update: int) -> range:
    """The updates whose episodes are planned when `update` is next: admission is (staleness + 1) batches.
    None after the last."""
    return range(update, min(update + config.max_staleness + 1, config.updates))


def evaluation_due(config: RunConfig, version: int) -> bool:
    chosen = config.evaluation
    if not chosen.suites:
        return False
    if version == config.updates and chosen.at_end:
        return True
    if version == 0:
        return chosen.at_start
    return chosen.every > 0 and version % chosen.every == 0


def _needed(batch: BatchConfig | None) -> BatchConfig:
    if batch is None:
        raise InvalidArgument("this run has no batch of episodes")
    return batch


def _needed_sampling(sampling: SamplingChoice | None) -> SamplingChoice:
    if sampling is None:
        raise InvalidArgument("this run has no sampling")
    return sampling


def is_published(config: RunConfig, version: int) -> bool:
    """RL publishes every version, SFT those that are evaluated or kept, and the last."""
    wanted = version == config.updates or version in config.keep_versions
    return wanted or config.algorithm.kind == "rl" or evaluation_due(config, version)


def published_before(config: RunConfig, version: int) -> int | None:
    """The published version that this one descends from."""
    earlier = (older for older in range(version - 1, -1, -1) if is_published(config, older))
    return next(earlier, None)
