"""The learner: a policy, its optimizer, and what one update does to them."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.errors import DataLoss
from farfield_kernel.images import NO_BLOBS, Blobs
from farfield_model.images import ImageFile
from farfield_model.tokenizing import load_tokenizer
from farfield_trainer.learning import sft
from farfield_trainer.learning.album import Album, bind
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.layout import Layout, Wanted, layout, wanted
from farfield_trainer.learning.loading import load_policy, load_reference
from farfield_trainer.learning.meter import Meter
from farfield_trainer.learning.model import Scored, chat_of, shares_prefixes
from farfield_trainer.learning.objective import Objective, Scores
from farfield_trainer.learning.optimizer import STEP, Optimizer
from farfield_trainer.learning.packing import MicroBatch, pack
from farfield_trainer.learning.publication import Publication
from farfield_trainer.learning.ranks import Alone, Pass
from farfield_trainer.learning.samples import Batch, gather, minibatches
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.learning.state import PARTS, Stored, check_same

log = logging.getLogger(__name__)


class Learner:
    """Turns trajectories or demonstrations into better weights. One instance per run; not thread-safe.
    Where several processes share the work (`ranks`), each has one, and all are told the same.

    `parameters`: of the policy, those that LoRA freezes included, without the value head: N of the compute
    axis. `tokens_trained`: tokens (prompt and response) that went through training passes so far, over all
    epochs: its D; a prefix that sequences share counts for each of them. `steps`: optimizer steps so far.
    `updates`: calls of `update` and `fit` so far.
    """

    def __init__(
        self,
        config: LearnerConfig,
        base: Path,
        *,
        seed: int,
        device: str = "cpu",
        ranks: Alone | None = None,
        threads: int = 0,
    ) -> None:
        """Loads the Hugging Face folder `base`; it is also the reference of a KL term that names none, so
        give the same folder when a run resumes. NotFound or FailedPrecondition where it holds no language
        model.

        `threads`: torch's on the CPU; 0 leaves them as they are. A deterministic run has one."""
        torch.use_deterministic_algorithms(config.deterministic)
        if config.deterministic or threads:
            torch.set_num_threads(1 if config.deterministic else threads)
        self._config = config
        self._seed = seed
        self._device = torch.device(device)
        self._ranks = ranks or Alone()
        self._policy, shape = load_policy(config, base, seed, self._device, self._ranks)
        self._vision = self._policy.vision
        self._tokenizer = load_tokenizer(base)
        self._chat = chat_of(self._policy.model, self._tokenizer, self._policy.vision)
        self._reference = load_reference(config, base, self._policy, self._device, self._ranks)
        self._publication = Publication(config, base, shape)
        rate = config.value.learning_rate
        self._optimizer = Optimizer(self._policy, config.optimizer, self._ranks.whole, rate)
        self._share = config.share_prefixes and shares_prefixes(self._policy.model)
        self.parameters: int = sum(item.numel() for item in self._policy.model.parameters())
        self.tokens_trained = 0
        self.steps = 0
        self.updates = 0

    # Reinforcement learning

    def update(self, trajectories: Sequence[Trajectory], blobs: Blobs = NO_BLOBS) -> dict[str, float]:
        """One RL update over these episodes, in the given order. `blobs`: the images that their messages
        name. Failed episodes and ungraded turns are counted in the metrics and change nothing. DataLoss for
        ids, logprobs and images that do not fit together."""
        config = self._config
        key = config.turn_action.answer_key if config.advantage.by_turn else ""
        batch = gather(trajectories, answer_key=key, decode=self._decode)
        self.updates += 1
        if not batch.turns:
            return batch.counts
        ids, album = self._bound(batch, blobs)
        flat = layout(batch.turns, len(ids))
        temperatures = self._temperatures(batch, flat)
        scores = self._scores(batch, ids, flat, temperatures, album)
        objective = Objective(config, batch, flat, scores, self._device)
        meter, steps = Meter(), []
        for members in self._minibatches(batch):
            weights = objective.weights(members)
            for one in self._passes(ids, members):
                want = wanted(one.micro, flat, self._device)
                reference = None if scores else self._refer(one.micro, want, temperatures, album)
                scored = self._forward(one.micro, want, temperatures, album)
                if one.counts:
                    objective.loss(scored, want, weights, reference, meter).backward()
                else:
                    self._ranks.keep_step(scored)
            steps.append(self._step(ids, members))
        figures = self._ranks.merged(meter.read()).result(len(steps))
        return batch.counts | objective.figures | figures | _means(steps)

    def _bound(self, batch: Batch, blobs: Blobs) -> tuple[list[list[int]], Album | None]:
        """The sequences' ids and what their images are bound to."""
        most = self._policy.model.get_input_embeddings().num_embeddings
        if any(min(sequence.ids) < 0 or max(sequence.ids) >= most for sequence in batch.sequences):
            raise DataLoss(f"the episodes hold ids beyond the vocabulary of {most}: of another model?")
        shown = {digest for sequence in batch.sequences for digest in sequence.images}
        if missing := sorted(shown - blobs.keys()):
            raise DataLoss(f"the episodes show {len(missing)} images that did not come along: {missing[0]} …")
        images = [[ImageFile(name, blobs[name]) for name in sequence.images] for sequence in batch.sequences]
        return bind(self._vision, self._policy.model, [one.ids for one in batch.sequences], images)

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _temperatures(self, batch: Batch, flat: Layout) -> Tensor:
        per_sequence = np.array([sequence.temperature for sequence in batch.sequences], np.float32)
        return torch.from_numpy(per_sequence[flat.sequence_of_token]).to(self._device)

    def _minibatches(self, batch: Batch) -> Iterator[list[int]]:
        """Sequences of each optimizer step."""
        for epoch in range(self._config.epochs):
            yield from minibatches(batch, self._config.minibatches, [self._seed, self.updates, epoch])

    @torch.no_grad()
    def _scores(
        self, batch: Batch, ids: list[list[int]], flat: Layout, temperatures: Tensor, album: Album | None
    ) -> Scores | None:
        """What the models say of the whole batch before the first step. None where one pass does it all: an
        update of one step without critic, whose old logprobs are those of the training pass."""
        config = self._config
        penalized = config.kl.needs_reference and config.kl.placement == "reward"
        single = config.epochs * min(config.minibatches, len(set(batch.groups))) == 1
        if single and not penalized and not config.advantage.needs_values:
            return None
        old = torch.zeros(flat.tokens, dtype=self._policy.dtype, device=self._device)
        reference = torch.zeros_like(old) if self._reference else None
        values = None
        if config.advantage.needs_values:
            items = flat.turns if config.advantage.by_turn else flat.tokens
            values = old.new_zeros(items)
        for one in self._passes(ids, range(len(ids))):
            want = wanted(one.micro, flat, self._device)
            scored = self._forward(one.micro, want, temperatures, album)
            referred = self._refer(one.micro, want, temperatures, album)
            if not one.counts:
                continue
            old[want.tokens] = scored.logprobs
            if reference is not None and referred is not None:
                reference[want.tokens] = referred
            if values is not None and scored.values is not None:
                values[want.turns if config.advantage.by_turn else want.tokens] = scored.values
        self._ranks.put_together(old, reference, values)
        return Scores(old, reference, values)

    def _forward(self, micro: MicroBatch, want: Wanted, temperatures: Tensor, album: Album | None) -> Scored:
        """Logprobs of the wanted tokens, values of the items."""
        places = want.prompts if self._config.advantage.by_turn else want.sources
        return self._policy(micro, want.sources, want.targets, temperatures[want.tokens], places, album)

    def _refer(
        self, micro: MicroBatch, want: Wanted, temperatures: Tensor, album: Album | None
    ) -> Tensor | None:
        if self._reference is None:
            return None
        return self._reference.logprobs(micro, want, temperatures, album)

    # Supervised fine-tuning

    def fit(self, demonstrations: Sequence[SupervisedSample]) -> dict[str, float]:
        """One optimizer step of supervised fine-tuning over these demonstrations: the mean of the target
        tokens' losses, weighted by their messages' weights."""
        batch = sft.tokenize(demonstrations, self._chat)
        self.updates += 1
        if not batch.targets:
            return {"demonstrations": float(len(demonstrations)), "target_tokens": 0.0}
        ids, album = bind(self._vision, self._policy.model, batch.sequences, batch.images)
        flat = layout(batch.targets, len(ids))
        per_token = np.array([target.weight for target in batch.targets])[flat.turn_of]
        weights = torch.from_numpy((per_token / per_token.sum()).astype(np.float32)).to(self._device)
        ones = torch.ones(flat.tokens, device=self._device)
        meter, members = Meter(), list(range(len(ids)))
        for one in self._passes(ids, members):
            want = wanted(one.micro, flat, self._device)
            scored = self._forward(one.micro, want, ones, album)
            if not one.counts:
                self._ranks.keep_step(scored)
                continue
            loss = -(scored.logprobs * weights[want.tokens]).sum()
            loss.backward()
            meter.total("loss", loss)
            meter.mean("entropy", scored.entropy)
        step = self._step(ids, members)
        counts = {"demonstrations": float(len(demonstrations)), "target_tokens": float(flat.tokens)}
        return counts | self._ranks.merged(meter.read()).result(1) | step

    # Shared

    def _passes(self, ids: Sequence[list[int]], members: Sequence[int]) -> list[Pass]:
        """This process's forward passes over the sequences `members`."""
        config, pairs = self._config, PAIRS * self._policy.hidden_size
        tokens = sum(len(ids[member]) for member in members)
        budget = self._ranks.budget(tokens, config.micro_batch_tokens)
        return self._ranks.deal(pack(ids, members, budget, share=self._share, token_cost=pairs), pairs)

    def _step(self, ids: Sequence[list[int]], members: Sequence[int]) -> dict[str, float]:
        self._ranks.sum_gradients(self._optimizer.parameters)
        result = self._optimizer.step(self.steps)
        self.steps += 1
        self.tokens_trained += sum(len(ids[member]) for member in members)
        return result

    # State

    def state(self) -> dict[str, Any]:
        """Everything that a bit-identical resume needs, as a copy. Shuffles are a function of the seed and
        `updates`, so there is no generator to keep."""
        state = self._state()
        for part in PARTS:
            state[part] = {name: self._ranks.whole(item).clone() for name, item in state[part].items()}
        return state

    def _state(self) -> dict[str, Any]:
        counters: dict[str, Any] = {
            "steps": self.steps,
            "updates": self.updates,
            "tokens_trained": self.tokens_trained,
        }
        counters |= {"ranks": self._ranks.size, "base": self._publication.base_digest}
        weights = {name: item.detach() for name, item in self._weights().items()}
        return {"seed": self._seed, **counters, "weights": weights, "optimizer": self._optimizer.state()}

    def _weights(self) -> dict[str, Tensor]:
        """What training changes, and where all weights are trained the buffers too."""
        named = dict(self._policy.named_parameters())
        if self._config.lora:
            return {name: item for name, item in named.items() if item.requires_grad}
        return named | dict(self._policy.named_buffers())

    def save(self, folder: Path) -> None:
        """Writes `state()` into a folder, made if need be: safetensors and JSON, not fsynced."""
        self._ranks.write(folder, self._state())

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Takes up the state that `save` wrote, whatever number of processes wrote it: one tensor after the
        other, so that no more than one is there twice. DataLoss when a file is missing, torn or of another
        model; the learner is of no use then."""
        stored = Stored(folder)
        self._publication.check(folder, stored.counters.get("base", ""))
        before = stored.counters.get("ranks", 1)
        if self._config.deterministic and before != self._ranks.size:
            log.warning("by %d ranks until now, from here by %d: not bit for bit", before, self._ranks.size)
        weights = self._weights()
        check_same(weights, stored)
        for name, item in weights.items():
            item.copy_(self._ranks.placed(stored, f"weights:{name}", item, self._device))
        self._optimizer.load_state(self._moments(stored, weights))
        self._seed = stored.counters["seed"]
        self.steps, self.updates = stored.counters["steps"], stored.counters["updates"]
        self.tokens_trained = stored.counters["tokens_trained"]

    def _moments(self, stored: Stored, weights: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """The optimizer's state, each tensor laid out as the weight that it belongs to."""
        for path in stored.names("optimizer"):
            owner, _, key = path.rpartition("/")
            like = weights.get(owner) if key != STEP else None
            yield path, self._ranks.placed(stored, f"optimizer:{path}", like, self._device)

    def save_pretrained(self, folder: Path) -> None:
        """Writes the policy in Hugging Face format (or its adapter in peft's), with tokenizer and chat
        template (and image processor), without value head."""
        self._publication.write(self._policy.model, self._ranks, folder)
        if not self._ranks.leads:
            return
        (self._vision.processor if self._vision else self._tokenizer).save_pretrained(folder)


PAIRS = 6
"""Attention over this many query-key pairs per unit of hidden size costs as much as one more token."""


def _means(steps: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
