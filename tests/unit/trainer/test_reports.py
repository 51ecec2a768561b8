import asyncio
import json
from pathlib import Path

from farfield_trainer.reporting.reports import NOT_FINITE, Report, Reports


def of(path: Path, count: int = 0) -> Reports:
    reports = Reports(path / "reports.jsonl")
    for update in range(1, count + 1):
        reports.append("update", update, {"loss": 0.5})
    return reports


async def seen(reports: Reports, after: int = 0) -> list[int]:
    return [report.sequence async for report in reports.watch(after)]


def test_lines_are_json_and_come_back(tmp_path: Path) -> None:
    reports = of(tmp_path)
    reports.append("eval", 2, {"success": 0.25, "kl": float("nan"), "x": float("inf")}, suite="ood")
    (line,) = (tmp_path / "reports.jsonl").read_text().splitlines()
    data = json.loads(line)
    assert (data["kind"], data["suite"], data["metrics"]) == ("eval", "ood", {"success": 0.25})
    assert of(tmp_path).all() == reports.all()


def test_an_update_says_how_many_of_its_figures_are_not_finite(tmp_path: Path) -> None:
    report = of(tmp_path).append("update", 1, {"loss": float("nan"), "kl": float("inf"), "reward_mean": 0.5})
    assert report.metrics == {"reward_mean": 0.5, NOT_FINITE: 2.0}


def test_a_line_torn_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    of(tmp_path, 2)
    with (tmp_path / "reports.jsonl").open("a") as file:
        file.write('{"sequence": 3, "ti')
    reports = of(tmp_path)
    reports.truncate(len(reports))
    reports.append("update", 3, {})
    assert [report.sequence for report in of(tmp_path).all()] == [1, 2, 3]


async def test_after_going_back_numbers_go_on_and_nothing_is_twice(tmp_path: Path) -> None:
    of(tmp_path, 5)
    reports = of(tmp_path)
    reports.truncate(3)
    reports.append("update", 4, {})
    reports.close()
    assert [report.update for report in of(tmp_path).all()] == [1, 2, 3, 4]
    assert await seen(reports, after=5) == [6]
    assert await seen(reports) == [1, 2, 3, 6]


async def test_watching_follows_until_the_end(tmp_path: Path) -> None:
    reports = of(tmp_path, 1)
    watching = asyncio.create_task(seen(reports))
    await asyncio.sleep(0)
    reports.append("update", 2, {})
    await asyncio.sleep(0)
    reports.append("phase", 2, {})
    reports.close()
    assert await watching == [1, 2, 3]


async def test_a_run_that_is_taken_up_again_can_be_watched_again(tmp_path: Path) -> None:
    reports = of(tmp_path, 1)
    reports.close()
    assert await seen(reports) == [1]
    reports.reopen()
    watching = asyncio.create_task(seen(reports, after=1))
    await asyncio.sleep(0)
    reports.append("update", 2, {})
    reports.close()
    assert await watching == [2]


def test_sinks_are_told_inside_their_block(tmp_path: Path) -> None:
    told: list[Report] = []
    reports = of(tmp_path)
    with reports.told(told.append):
        reports.append("update", 1, {})
    reports.append("update", 2, {})
    assert [report.update for report in told] == [1]
