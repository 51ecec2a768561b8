"""Makes a test of each check, for classes that derive from `farfield_conformance.testing.Conformance`.

Loaded with every run of pytest: nothing of gRPC is imported before such a class is collected.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from farfield_conformance.place import Subjects


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "conformance_check" not in metafunc.fixturenames or metafunc.cls is None:
        return
    from farfield_conformance.catalog import checks
    from farfield_conformance.check import Level

    levels = [Level(level) for level in metafunc.cls.levels]
    found = [check for kind in metafunc.cls.kinds() for check in checks(kind, levels)]
    metafunc.parametrize("conformance_check", found, ids=[check.id for check in found])


@pytest.fixture(scope="class")
def conformance_subjects(request: pytest.FixtureRequest) -> "Iterator[Subjects]":
    """The services with the plugins of a class, started for its tests."""
    from farfield_conformance.place import subjects

    with subjects(request.cls.plan()) as found:
        yield found
