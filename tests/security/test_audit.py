"""What `make audit` makes of pip-audit's answers."""

import json
import subprocess

import pytest

from tests.security.audit import read, verdict


def said(dependencies: object = None, error: str = "") -> "subprocess.CompletedProcess[str]":
    out = "" if dependencies is None else json.dumps({"dependencies": dependencies})
    return subprocess.CompletedProcess([], 0, out, error)


CLEAN = {"name": "redis", "version": "8.1.0", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "not found"}
BAD = {"name": "pillow", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


def test_what_is_found_fails_even_where_the_other_service_is_away() -> None:
    away = read("osv", said(error="requests.exceptions.ConnectionError: no way"))
    status, lines = verdict([read("pypi", said([CLEAN, BAD])), away])
    assert status == 1
    assert "pillow 1: CVE-1, fixed in 2" in lines


def test_an_index_that_knows_no_package_is_no_clean_result() -> None:
    status, lines = verdict([read("pypi", said([SKIPPED]))])
    assert (status, lines[-1][:11]) == (0, "NOT AUDITED")


def test_what_could_not_be_asked_about_is_named() -> None:
    status, lines = verdict([read("pypi", said([CLEAN, SKIPPED]))])
    assert status == 0
    assert "torch" in lines[0]


def test_a_pip_audit_that_fails_by_itself_is_no_unreachable_service() -> None:
    with pytest.raises(RuntimeError, match="no such option"):
        read("pypi", said(error="usage: …\nno such option"))
