"""The checkpoints that an experiment starts from, on this machine."""

from collections.abc import Iterator
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.spec import Fresh
from farfield_cli.runs.train_command import check_tokenizer
from farfield_kernel.errors import FailedPrecondition


def served_model(experiment: Experiment) -> Path:
    """The checkpoint that the policies start with: whose tokenizer they have. FailedPrecondition where a base
    is not there or speaks another one."""
    found = dict.fromkeys(bases(experiment))
    for base in found:
        if not (base / "config.json").exists():
            raise FailedPrecondition(
                f"{base} is no checkpoint: it has no config.json. A base is a folder in Hugging Face format; "
                "the small ones are in the source tree, `make tiny-bases` makes those of `bases`, and "
                "`make smollm2-model` fetches SmolLM2"
            )
    first, *others = found
    for other in others:
        check_tokenizer(first, other)
    return first


def bases(experiment: Experiment) -> Iterator[Path]:
    """Of the arms that start from no other."""
    for arm in experiment.arms.values():
        if arm.origin is None:
            yield Path(arm.base.fresh if isinstance(arm.base, Fresh) else arm.base)
