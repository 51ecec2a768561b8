"""The learner: a policy, its optimizer, and what one update does to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_trainer.algorithm_config import LearnerConfig
from farfield_trainer.sft import SupervisedSample


class Learner:
    """Turns trajectories or demonstrations into better weights. One instance per run; not thread-safe.

    `parameters`: trainable parameters without the value head. `tokens_trained`: tokens (prompt and response)
    that went through a training pass so far, over all epochs: D of the 6ND term of the compute axis.
    `steps`: optimizer steps so far.
    """

    parameters: int
    tokens_trained: int
    steps: int

    def __init__(self, config: LearnerConfig, base: Path, *, seed: int, device: str = "cpu") -> None:
        """Loads the Hugging Face folder `base`; it is also the reference of the KL term, so give the same
        folder when a run resumes. FailedPrecondition when it is missing or not a causal language model."""

    def update(self, trajectories: Sequence[Trajectory]) -> dict[str, float]:
        """One RL update over these episodes, in the given order. Failed episodes and ungraded turns are
        counted in the metrics and change nothing. DataLoss for ids and logprobs that do not fit together."""
        raise NotImplementedError

    def fit(self, demonstrations: Sequence[SupervisedSample]) -> dict[str, float]:
        """One optimizer step of supervised fine-tuning over these demonstrations."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Everything that a bit-identical resume needs, as a copy."""
        raise NotImplementedError

    def load_state(self, state: dict[str, Any]) -> None:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Writes `state()` into an existing or new folder: safetensors and JSON, no pickle. Does not fsync."""
        raise NotImplementedError

    def load(self, folder: Path) -> None:
        """Takes up the state that `save` wrote. DataLoss when a file is missing, torn or of another model."""
        raise NotImplementedError

    def save_pretrained(self, folder: Path) -> None:
        """Writes the policy in Hugging Face format, with tokenizer and chat template, without value head."""
        raise NotImplementedError
