import sample_verifiers as samples
from sample_scoring import loaded

from farfield_kernel.executors import Pools
from farfield_kernel.plugins import Loaded, Plugin
from farfield_verifier.catalog import Catalog
from farfield_verifier.config import VerifierConfig


class Misnamed(samples.Match):
    name = "other"


class Unversioned(samples.Verifier):
    name = "unversioned"


class Elsewhere(samples.Match):
    name = "elsewhere"
    executor = "moon"


def test_a_broken_plugin_is_shown_and_hurts_nobody_else() -> None:
    plugins = {
        "misnamed": Misnamed,
        "unversioned": Unversioned,
        "elsewhere": Elsewhere,
        "number": 7,
        "match": samples.Match,
    }
    wrapped = {name: Plugin(cls, "x==1") for name, cls in plugins.items()}
    catalog = Catalog(Loaded("g", wrapped, {"torn": "ImportError: y"}), VerifierConfig(), Pools(1))
    assert list(catalog.hosted) == ["match"]
    assert catalog.broken["torn"] == "ImportError: y"
    assert "its entry point is 'misnamed'" in catalog.broken["misnamed"]
    assert "lacks the class attributes version, Options" in catalog.broken["unversioned"]
    assert "executor is 'moon'" in catalog.broken["elsewhere"]
    assert "no subclass" in catalog.broken["number"]


def test_what_describe_says() -> None:
    config = VerifierConfig.model_validate({"executors": {"match": "process"}})
    info = Catalog(loaded(samples.Match), config, Pools(1)).hosted["match"].info
    assert (info.name, info.version, info.distribution) == ("match", "2.0.0", "samples==1")
    assert info.summary == "Is the response what the facts ask for?"
    assert (info.executor, "value" in info.options_schema_json) == ("process", True)
