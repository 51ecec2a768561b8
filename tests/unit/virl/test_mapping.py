import pickle
import pickletools
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest

from farfield_virl import convert
from farfield_virl.data.faults import BadData
from farfield_virl.data.mapping import load_panoramas, read_panoramas_pickle

MAPPING = {(40.7, -73.9): "Pano_A-1", (40.8, -73.8): "Pano_A-1", (41, -73): "b"}


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(tmp_path: Path, data: object, protocol: int = 4) -> Path:
    path = tmp_path / "gps_pano_mapping.pkl"
    path.write_bytes(data if isinstance(data, bytes) else pickle.dumps(data, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_mappings_of_every_protocol(tmp_path, protocol):
    assert read_panoramas_pickle(saved(tmp_path, MAPPING, protocol)) == MAPPING


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_code_is_refused_and_nothing_runs(tmp_path, protocol):
    mark = tmp_path / "executed"
    evil = {
        (1.0, 2.0): "a",
        (3.0, 4.0): Calls(Path.touch, str(mark)),
        (5.0, 6.0): Calls(open, str(mark), "w"),
    }
    with pytest.raises(BadData, match=r"refused: the pickle has the instruction .* can call code"):
        read_panoramas_pickle(saved(tmp_path, evil, protocol))
    assert not mark.exists()


def test_the_attack_would_work_on_the_plain_unpickler(tmp_path):
    """So that the test above tests something."""
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Calls(open, str(mark), "w"))).close()  # noqa: S301
    assert mark.exists()


@pytest.mark.parametrize("data", [OrderedDict(MAPPING), {(1.0, 2.0): {"a"}}, {(1.0, 2.0): b"a"}, {1: 1j}])
def test_classes_sets_and_the_like_are_refused(tmp_path, data):
    with pytest.raises(BadData):
        read_panoramas_pickle(saved(tmp_path, data))


@pytest.mark.parametrize("data", [[1, 2], "text", 5, None, [MAPPING], ((1.0, 2.0), "a")])
def test_a_pickle_that_is_no_mapping(tmp_path, data):
    with pytest.raises(BadData, match="not a mapping"):
        read_panoramas_pickle(saved(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({}, "empty"),
        ({"here": "a"}, "not a \\(latitude, longitude\\) pair"),
        ({(1.0, 2.0, 3.0): "a"}, "pair"),
        ({(91.0, 0.0): "a"}, "pair"),
        ({(float("nan"), 0.0): "a"}, "pair"),
        ({(1.0, 2.0): 7}, "not the name of a panorama"),
        ({(1.0, 2.0): "../../etc/passwd"}, "not the name of a panorama"),
        ({(1.0, 2.0): ""}, "not the name of a panorama"),
    ],
)
def test_mappings_of_a_wrong_shape(tmp_path, data, complaint):
    with pytest.raises(BadData, match=complaint):
        read_panoramas_pickle(saved(tmp_path, data))


@pytest.mark.parametrize("cut", [0, 1, 10, 40, -1])
def test_a_pickle_cut_off(tmp_path, cut):
    with pytest.raises(BadData, match="not a valid pickle"):
        read_panoramas_pickle(saved(tmp_path, pickle.dumps(MAPPING)[:cut]))


def bomb(levels: int = 60) -> bytes:
    """A key of tuples within tuples: 2**60 leaves to hash, in a few hundred bytes."""
    code = b"\x80\x04}("
    code += b")\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(levels))
    return code + b"\x8c\x01au."


def test_a_pickle_that_would_hash_for_ever(tmp_path):
    with pytest.raises(BadData, match="one tuple in two places"):
        read_panoramas_pickle(saved(tmp_path, bomb()))


def test_the_bomb_is_a_bomb_and_not_just_malformed():
    names = [opcode.name for opcode, _, _ in pickletools.genops(bomb(3))]
    assert names.count("TUPLE2") == 3
    assert names[-1] == "STOP"


def test_values_nested_without_end_are_named_in_short(tmp_path):
    inner: list = []
    for _ in range(60):
        inner = [inner, inner]
    with pytest.raises(BadData, match="not the name of a panorama") as caught:
        read_panoramas_pickle(saved(tmp_path, {(1.0, 2.0): inner}))
    assert len(str(caught.value)) < 1000


def test_conversion(tmp_path, capsys):
    source = saved(tmp_path, MAPPING)
    assert convert.main([str(source)]) == 0
    assert "3 panoramas" in capsys.readouterr().out
    assert load_panoramas(source.with_suffix(".json")) == MAPPING


def test_conversion_as_a_program(tmp_path):
    source, target = saved(tmp_path, Calls(open, str(tmp_path / "executed"), "w")), tmp_path / "out.json"
    command = [sys.executable, "-m", "farfield_virl.convert", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert not target.exists()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"format": "other", "panoramas": []}',
        '{"format": "farfield-virl-panoramas-1", "panoramas": [[1, 2]]}',
        '{"format": "farfield-virl-panoramas-1", "panoramas": [[[1], 2, "a"]]}',
        '{"format": "farfield-virl-panoramas-1", "panoramas": [[1, 2, "a/b"]]}',
    ],
)
def test_malformed_json(tmp_path, text):
    path = tmp_path / "mapping.json"
    path.write_text(text)
    with pytest.raises(BadData):
        load_panoramas(path)


def test_a_pickle_that_would_take_all_memory(tmp_path):
    """Found by fuzzing: one instruction, to remember a thing at place 678,431,280."""
    with pytest.raises(BadData, match="678,431,280 places"):
        read_panoramas_pickle(saved(tmp_path, b"(dr" + (678_431_280).to_bytes(4, "little") + b"."))
