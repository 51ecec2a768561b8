import numpy as np

from farfield_policy.embedded.rows import Request, Rows, add_span
from farfield_policy.engine import Sampling, Span


def request(seed: int = 0, stops: tuple[int, ...] = (1,)) -> Request:
    return Request([5, 6], Sampling(4, temperature=0.5, top_k=3, top_p=0.9), seed, stops)


def record(rows: Rows, row: int, token: int) -> None:
    some = np.array([row])
    rows.record(some, np.array([token]), np.array([-1.0], np.float32), np.array([-2.0], np.float32))


def test_a_row_remembers_what_it_was_asked_and_what_it_drew() -> None:
    rows = Rows(3)
    rows.put(1, request(seed=2**64 - 1), limit=4)
    record(rows, 1, 7)
    record(rows, 1, 8)
    assert rows.active() == [1]
    assert rows.free() == [0, 2]
    assert rows.ids[1, :2].tolist() == [7, 8]
    assert (rows.drawn[1], rows.length[1], rows.limit[1]) == (2, 4, 4)
    assert rows.seed[1] == 2**64 - 1


def test_a_row_stops_at_any_of_its_own_ids() -> None:
    rows = Rows(3)
    rows.put(0, request(stops=(1,)), limit=4)
    rows.put(1, request(stops=(1, 9, 30)), limit=4)
    rows.put(2, request(stops=()), limit=4)
    assert rows.stopped(np.arange(3), np.array([9, 9, 9])).tolist() == [False, True, False]
    assert rows.stopped(np.arange(3), np.array([1, 30, 1])).tolist() == [True, True, False]


def test_a_moved_row_is_the_same_and_leaves_its_place_free() -> None:
    rows = Rows(4)
    moving = request(seed=5, stops=(1, 2))
    rows.put(3, moving, limit=4)
    record(rows, 3, 7)
    before = rows.uniforms([3])
    rows.move([3], [0])
    assert rows.requests == [moving, None, None, None]
    assert rows.ids[0, 0] == 7
    assert (rows.drawn[0], rows.length[0]) == (1, 3)
    assert rows.uniforms([0]) == before
    assert rows.stopped(np.array([0]), np.array([2])).all()


def test_draws_do_not_repeat_along_a_response() -> None:
    rows = Rows(1)
    rows.put(0, request(), limit=4)
    seen = []
    for _ in range(4):
        seen.append(rows.uniforms([0]).item())
        record(rows, 0, 7)
    assert len(set(seen)) == 4


def test_spans_cover_each_token_once() -> None:
    rows = Rows(2)
    running, fresh = request(), request()
    rows.put(0, running, limit=4)
    rows.put(1, fresh, limit=4)
    record(rows, 0, 7)
    record(rows, 0, 7)
    rows.close_spans(3)
    rows.close_spans(4)
    record(rows, 0, 7)
    add_span(running, 5, 3)
    assert running.spans == [Span(3, 2), Span(5, 1)]
    assert fresh.spans == []
