"""A language model of a few thousand parameters with a word tokenizer, and episodes for it."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield.types.v1.types_pb2 import STATE_TERMINATED
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes

torch.set_num_threads(1)
sys.path.insert(0, str(Path(__file__).parent))  # sample_runs

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}> {{ message.content }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
WORDS = ["<pad>", "<end>", "<system>", "<user>", "<assistant>", *"abcdefghijklmnopqrstuvwxyz"]


def build_checkpoint(
    folder: Path,
    *,
    hidden: int = 32,
    layers: int = 2,
    seed: int = 0,
    tied: bool = False,
    dtype: str = "float32",
) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.2,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where the system has such a folder: runs fsync all that they write."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds another one; arguments as of `build_checkpoint`."""
    return lambda **given: build_checkpoint(tmp_path_factory.mktemp("made"), **given)


Played = tuple[Sequence[int], Sequence[int], float | None]
MakeEpisode = Callable[..., Trajectory]


@pytest.fixture(scope="session")
def make_episode() -> MakeEpisode:
    """Of turns (prompt ids, response ids, reward or None for ungraded), which continue one another where
    their prompts say so."""
    return _make_episode


def _make_episode(
    *turns: Played,
    group: str = "g",
    logprobs: Sequence[Sequence[float]] | None = None,
    end: int = STATE_TERMINATED,
    temperature: float = 1.0,
    name: str = "e",
) -> Trajectory:
    trajectory = Trajectory(end=end)
    trajectory.spec.episode_id, trajectory.spec.group = name, group
    trajectory.spec.sampling.temperature = temperature
    before: list[int] = []
    for index, (prompt, response, reward) in enumerate(turns):
        values = logprobs[index] if logprobs else [-1.0] * len(response)
        turn = trajectory.turns.add(
            prompt_ids=ids_to_bytes(prompt),
            response_ids=ids_to_bytes(response),
            logprobs=floats_to_bytes(values),
            continues=bool(before) and list(prompt[: len(before)]) == before,
        )
        if reward is not None:
            turn.verdict.reward = reward
        before = [*prompt, *response]
    return trajectory


@pytest.fixture(scope="session")
def true_logprobs(checkpoint: Path) -> Callable[[Sequence[int], Sequence[int]], list[float]]:
    """Logprobs of a response after a prompt, from a plain forward pass of the checkpoint."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()

    def of(prompt: Sequence[int], response: Sequence[int], temperature: float = 1.0) -> list[float]:
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *response]])).logits[0] / temperature
        table = logits.log_softmax(-1)
        return [table[len(prompt) + i - 1, token].item() for i, token in enumerate(response)]

    return of
