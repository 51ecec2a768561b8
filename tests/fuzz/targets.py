"""What reads things that others wrote: each with good examples, and the only errors that it may raise."""

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp

from PIL import Image

from farfield_generalpoints import answers as points_answers
from farfield_generalpoints import judging as points
from farfield_generalpoints.formula import read
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.reward_plans import reward_plan
from farfield_kernel.wire import floats_from_bytes, ids_from_bytes
from farfield_model.images import ImageFile, pixels
from farfield_trainer.run_config import run_config
from farfield_virl import answers as virl_answers
from farfield_virl.data import mapping, milestones, published
from farfield_virl.data.faults import BadData

_FOLDER = Path(mkdtemp(prefix="farfield-fuzz-"))


@dataclass(frozen=True, slots=True)
class Target:
    """`read` is given any bytes. It returns, or raises one of `refuses`; anything else is a finding."""

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refuses: tuple[type[Exception], ...] = ()


def _text(read: Callable[[str], object]) -> Callable[[bytes], None]:
    def on_bytes(data: bytes) -> None:
        read(data.decode(errors="replace"))

    return on_bytes


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    path = _FOLDER / name

    def on_bytes(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return on_bytes


_HAND = points.Problem(("A", "2", "7", "K"), (1, 2, 7, 10), (10, 10, 10), 24, "paper")
_COMPACT = points.Problem(("A", "2", "7", "K"), (1, 2, 7, 10), (10, 10, 10), 24, "compact", image=True)


def _judge(problem: points.Problem) -> Callable[[str], None]:
    """An answer that is judged right solves the hand, whatever it is written like."""

    def check(response: str) -> None:
        if points.judge(problem, response):
            return
        answer = points_answers.parse(response, problem.form)
        assert answer is not None, "a response without an answer was judged right"
        value = read(answer.formula)
        assert value.value == problem.target, f"{answer.formula!r} was judged right"
        assert sorted(value.numbers) == sorted(problem.values), f"{answer.formula!r} was judged right"

    return check


def _picture(kind: str, **options: object) -> bytes:
    out = BytesIO()
    Image.new("RGB", (24, 16), (9, 120, 40)).save(out, kind, **options)
    return out.getvalue()


_MILESTONES = milestones.write_milestones(
    [milestones.Milestone(298, "northwest", "Bank"), milestones.Milestone(0, "north", "")]
)
_ROUTES = json.dumps(
    [
        {
            "start_place": {"name": "Bank", "relocated_geocode": [40.7, -74.0]},
            "dest_place": {"name": "Café"},
            "route_results": {"geocode_list": [[40.7, -74.0], [40.701, -74.0]], "landmark_list": [None]},
            "milestone_info": _MILESTONES,
            "init_heading": 0,
        }
    ]
).encode()
_PANORAMAS = {(40.7, -74.0): "a_b-C", (40.701, -74.0): "d"}
_PLAN = {"sum": {"terms": [{"weight": 1, "plan": {"leaf": {"verifier": "generalpoints"}}}]}}
_RUN = {
    "algorithm": {"kind": "rl"},
    "base": "checkpoint",
    "environment": {"name": "generalpoints", "options": {"max_turns": 3}},
    "reward": {"leaf": {"verifier": "generalpoints"}},
    "sampling": {"max_new_tokens": 40, "temperature": 1.0},
    "updates": 3,
    "batch": {"groups": 2, "group_size": 2},
}


def _virl(form: virl_answers.PromptForm) -> Callable[[str], object]:
    return lambda text: virl_answers.parse(text, form)


def _arrays(data: bytes) -> None:
    ids_from_bytes(data)
    floats_from_bytes(data)


TARGETS: Mapping[str, Target] = {
    "answer-points-paper": Target(
        _text(_judge(_HAND)),
        (
            points_answers.compose("paper", _HAND.cards, _HAND.values, "7 * 2 + 10 * 1", 24).encode(),
            b'{"cards": ["A"], "number": [1], "formula": "(1+2)*(10-2)=24"}',
        ),
    ),
    "answer-points-compact": Target(
        _text(_judge(_COMPACT)),
        (points_answers.compose("compact", _HAND.cards, _HAND.values, "7 * 2 + 10 * 1", 24, True).encode(),),
    ),
    "answer-virl-paper": Target(
        _text(_virl("paper")), (virl_answers.compose("paper", "a bank", "go on", "forward()").encode(),)
    ),
    "answer-virl-compact": Target(
        _text(_virl("compact")), (b"see a bank do go on act turn slightly left", b"see x do y act forward")
    ),
    "routes": Target(_file("route_infos.json", published.load_routes), (_ROUTES,), (BadData,)),
    "milestones": Target(
        _text(lambda text: list(milestones.parse_milestones(text))),
        (_MILESTONES.encode(),),
        (BadData,),
    ),
    "mapping-pickle": Target(
        _file("gps_pano_mapping.pkl", mapping.read_panoramas_pickle),
        (*(pickle.dumps(_PANORAMAS, protocol) for protocol in (0, 2, 4)), pickle.dumps(print)),
        (BadData,),
    ),
    "mapping-json": Target(
        _file("gps_pano_mapping.json", mapping.read_panoramas_json),
        (json.dumps({"format": mapping.FORMAT, "panoramas": [[40.7, -74.0, "a"]]}).encode(),),
        (BadData,),
    ),
    "image": Target(
        lambda data: pixels(ImageFile.of(data)),
        (_picture("PNG"), _picture("JPEG"), _picture("WEBP"), _picture("PNG", interlace=1)),
        (InvalidArgument,),
    ),
    "reward-plan": Target(
        _text(lambda text: reward_plan(_object(text))), (json.dumps(_PLAN).encode(),), (ValueError,)
    ),
    "run-config": Target(_text(run_config), (json.dumps(_RUN).encode(),), (InvalidArgument,)),
    "token-arrays": Target(
        _arrays,
        (bytes(range(16)),),
        (InvalidArgument,),
    ),
}


def _object(text: str) -> dict[str, object]:
    """What YAML or JSON gave; anything but a mapping is refused before a plan is read from it."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("not a mapping")
    return found
