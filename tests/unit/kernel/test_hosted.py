from types import SimpleNamespace
from typing import Any

import pytest

from farfield_kernel import metrics
from farfield_kernel.errors import DeadlineExceeded, FarfieldError, NotFound, PluginFailure
from farfield_kernel.hosted import FAULTS, HostedPlugin
from farfield_kernel.processes import OutOfMemory, ProcessDied
from farfield_kernel.worker import Nonsense

_failures = metrics.counter("hosted_test_failures_total", "Of this test.", ("kind",))
_slow = metrics.counter("hosted_test_slow_total", "Of this test.", ())


@pytest.fixture
def hosted() -> HostedPlugin:
    meters: Any = SimpleNamespace(slow=_slow, failures={fault: _failures.labels(fault) for fault in FAULTS})
    return HostedPlugin(
        kind="verifier",
        cls=SimpleNamespace(name="dice", version="1.2"),
        executor="inline",
        info=SimpleNamespace(executor="inline"),
        meters=meters,
    )


@pytest.mark.parametrize(
    ("error", "fault", "public"),
    [
        (ValueError("no"), "raised", PluginFailure),
        (PluginFailure("ValueError: no"), "raised", PluginFailure),
        (DeadlineExceeded("too long"), "timeout", DeadlineExceeded),
        (ProcessDied("gone"), "crashed", PluginFailure),
        (OutOfMemory("too much"), "memory", PluginFailure),
        (Nonsense("answered 3"), "invalid", PluginFailure),
        (PluginFailure("Nonsense: answered 3"), "invalid", PluginFailure),  # from a child
        (SystemExit(1), "raised", PluginFailure),
    ],
)
def test_a_failure_is_counted_by_its_fault_and_told_with_the_plugins_name(
    hosted: HostedPlugin, error: BaseException, fault: str, public: type[FarfieldError]
) -> None:
    before = {name: counter._value.get() for name, counter in hosted.meters.failures.items()}
    told = hosted.failed(error, "verify")
    after = {name: counter._value.get() for name, counter in hosted.meters.failures.items()}
    assert {name for name in FAULTS if after[name] != before[name]} == {fault}
    assert type(told) is public
    assert str(told).startswith("verifier 'dice' failed in verify: ")


def test_another_version_is_not_found(hosted: HostedPlugin) -> None:
    hosted.check_version("")
    hosted.check_version("1.2")
    with pytest.raises(NotFound, match=r"version 1\.2, not 2\.0"):
        hosted.check_version("2.0")
