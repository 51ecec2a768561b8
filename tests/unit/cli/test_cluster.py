"""What is said of a cluster that cannot be used."""

import re
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner

from farfield_cli.__main__ import app
from farfield_cli.cluster.choice import Choice
from farfield_cli.cluster.place import connected
from farfield_cli.runs import run_file
from farfield_cli.runs.trainers import choose, find
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["demo", "report", "play", "plugin", "up", "down"])
def test_commands_of_this_machine_take_no_cluster(command: str) -> None:
    status, said = invoke("--context", "prod", command)
    assert status == 2
    assert f"`farfield {command}` is about this machine: leave out --context" in said


def test_a_release_is_of_a_cluster() -> None:
    status, said = invoke("--release", "rl", "status")
    assert status == 2
    assert "say which one with --context" in said


async def test_an_account_without_the_right_is_told_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(request: web.Request) -> web.Response:
        what = request.path.rpartition("/")[2]
        said = f'{what} is forbidden: User "u" cannot list resource "{what}" in the namespace "default"'
        return web.json_response({"kind": "Status", "code": 403, "message": said}, status=403)

    api = web.Application()
    api.router.add_get("/{path:.*}", forbidden)
    runner = web.AppRunner(api, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "prod",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    try:
        with pytest.raises(PermissionDenied) as refused:
            async with connected(Choice("prod")):
                pass
    finally:
        await runner.cleanup()
    said = str(refused.value)
    assert re.search(r"not allowed to list (services|endpointslices\.discovery\.k8s\.io): ", said)
    assert 'User "u" cannot list resource' in said


def test_a_base_of_this_machine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("base: ../checkpoint\nupdates: 1\n")
    (tmp_path / "run.yaml").write_text("extends: parent.yaml\nupdates: 2\n")
    with pytest.raises(InvalidArgument, match=r"\.\./checkpoint is a path of this machine"):
        run_file.read_for_pods(tmp_path / "run.yaml")
    (tmp_path / "run.yaml").write_text("extends: parent.yaml\nbase: /runs/base\n")
    assert run_file.read_for_pods(tmp_path / "run.yaml") == {"base": "/runs/base", "updates": 1}


def test_which_lane() -> None:
    address = ClientConfig(address="a:1")
    one, two = {"rl": address}, {"rl": address, "sft": address}
    assert choose(one, "")[0] == "rl"
    assert choose(two, "sft")[0] == "sft"
    with pytest.raises(FailedPrecondition, match="choose one of rl, sft with --lane"):
        choose(two, "")
    with pytest.raises(NotFound, match="no trainer has the lane 'x'; there is rl"):
        choose(one, "x")


async def test_a_run_that_nobody_knows() -> None:
    with pytest.raises(NotFound, match="no run 'x'; known: none"):
        await find({}, "x")
