"""JSON lines with the ids of what they belong to."""

import asyncio
import json
import logging
import sys

from farfield_kernel import logs


def line(record: logging.LogRecord) -> dict:
    return json.loads(logs.JsonFormatter("rollout").format(record))


def record(message: str = "played %d", *values: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("farfield.x", logging.INFO, __file__, 1, message, values or (3,), None)
    vars(made).update(extra)
    return made


def test_a_line_says_who_when_and_what() -> None:
    said = line(record(port=7))
    assert said["message"] == "played 3"
    assert (said["service"], said["level"]) == ("rollout", "info")
    assert (said["logger"], said["port"]) == ("farfield.x", 7)
    assert said["time"].endswith("Z")
    assert "\n" not in logs.JsonFormatter("x").format(record("two\nlines%s", ""))


def test_bound_ids_are_on_every_line_inside() -> None:
    made = record()
    outside = line(made)
    with logs.bound(run="r"), logs.bound(episode="e"):
        assert line(made) == outside | {"run": "r", "episode": "e"}
    assert line(made) == outside


async def test_tasks_do_not_share_ids() -> None:
    async def task(name: str) -> str:
        with logs.bound(episode=name):
            await asyncio.sleep(0)
            return line(record())["episode"]

    assert await asyncio.gather(task("a"), task("b")) == ["a", "b"]


def test_exceptions_and_odd_values_are_written() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        made = record(odd={1, 2}.__class__)
        made.exc_info = sys.exc_info()
    said = line(made)
    assert "ValueError: no" in said["exception"]
    assert "set" in said["odd"]


def test_setup_writes_to_stderr(capsys) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.setup("kernel", "warning")
        logging.getLogger("farfield.test").info("quiet")
        logging.getLogger("farfield.test").warning("loud")
    finally:
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(False)
    (said,) = capsys.readouterr().err.splitlines()
    assert json.loads(said)["message"] == "loud"
