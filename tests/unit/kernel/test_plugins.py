"""Plugins by entry point: found, unknown, broken."""

import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from farfield_kernel import plugins
from farfield_kernel.errors import NotFound, PluginFailure

GROUP = "farfield.tests"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with one good plugin, one that raises at import, and one that is not there."""
    info = tmp_path / "farfield_sample-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farfield-sample\nVersion: 1.2.3\n")
    points = "good = sample_good:Plugin\nraises = sample_raises:Plugin\nabsent = sample_good:Nothing\n"
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
    (tmp_path / "sample_good.py").write_text("class Plugin: pass\n")
    (tmp_path / "sample_raises.py").write_text("raise OSError('libdriver.so.1 is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("sample_good", "sample_raises"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert PathDistribution(info).version == "1.2.3"


def test_plugins_are_loaded_with_their_distribution() -> None:
    plugin = plugins.load(GROUP).get("good")
    assert plugin.cls.__name__ == "Plugin"
    assert plugin.distribution == "farfield-sample==1.2.3"


def test_a_broken_plugin_hurts_nobody_else_and_says_why() -> None:
    loaded = plugins.load(GROUP)
    assert set(loaded.plugins) == {"good"}
    assert set(loaded.broken) == {"raises", "absent"}
    with pytest.raises(PluginFailure, match="libdriver"):
        loaded.get("raises")


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(NotFound, match=r"no plugin 'god' in farfield\.tests; installed: good"):
        plugins.load(GROUP).get("god")


def test_only_the_named_are_imported() -> None:
    loaded = plugins.load(GROUP, only=("good",))
    assert not loaded.broken
    assert "sample_raises" not in sys.modules


def test_a_group_that_nobody_serves_is_empty() -> None:
    with pytest.raises(NotFound, match="installed: none"):
        plugins.load("farfield.nothing").get("x")


def test_a_plugin_that_is_asked_for_must_be_installed() -> None:
    with pytest.raises(NotFound, match=r"no plugin godo in farfield\.tests; installed: absent, good, raises"):
        plugins.load(GROUP, only=("good", "godo"))
