"""`make audit`: pinned dependencies against lists of known vulnerabilities, by pip-audit.

Two services are asked, PyPI and OSV. Exit status 0: nothing was found, or neither could be reached, which is
said; 1: something was found, or pip-audit failed by itself.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PINNED = Path("constraints.txt")
SERVICES = ("pypi", "osv")
_SECONDS = 15
"""How long one answer of a service may take."""
_UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "HTTPError", "SSLError", "ProxyError")
"""What pip-audit ends with where a service cannot be asked; anything else is a failure of its own."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What one service knows. `problem`: why it could not be asked, empty where it was."""

    service: str
    known: int = 0
    """Dependencies that it had an answer about."""
    unknown: Sequence[str] = ()
    found: Sequence[str] = ()
    problem: str = ""


def read(service: str, done: subprocess.CompletedProcess[str]) -> Audit:
    """pip-audit's answer. A mirror that has no such data is said to know no package at all: that is no
    clean result. RuntimeError when pip-audit failed by itself."""
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if not any(name in last for name in _UNREACHABLE):
            raise RuntimeError(f"pip-audit failed: {last}") from None
        return Audit(service, problem=last.partition(":")[0])
    unknown = [one["name"] for one in dependencies if "skip_reason" in one]
    found = [line for one in dependencies for line in _findings(one)]
    known = len(dependencies) - len(unknown)
    problem = "" if known else "it has data about none of them; is it behind a mirror?"
    return Audit(service, known, unknown, found, problem)


def _findings(dependency: Mapping[str, Any]) -> list[str]:
    what = f"{dependency['name']} {dependency.get('version', '')}"
    return [
        f"{what}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version'}"
        for one in dependency.get("vulns", ())
    ]


def asked(service: str) -> Audit:
    words = ["--requirement", str(PINNED), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    options = ["--vulnerability-service", service, "--format", "json", "--timeout", str(_SECONDS)]
    command = [sys.executable, "-m", "pip_audit", *words, *options]
    return read(service, subprocess.run(command, capture_output=True, text=True, check=False))


def verdict(audits: Sequence[Audit]) -> tuple[int, list[str]]:
    """Exit status, and what to say."""
    lines = [_said(one) for one in audits]
    found = sorted({line for one in audits for line in one.found})
    if found:
        return 1, [*lines, *found, "Take a fixed version into constraints.txt (make constraints)."]
    if all(one.problem for one in audits):
        reachable = "NOT AUDITED: no list of vulnerabilities can be reached from here."
        return 0, [*lines, reachable]
    return 0, [*lines, "Nothing known against any of them."]


def _said(audit: Audit) -> str:
    if audit.problem:
        return f"{audit.service}: no answer: {audit.problem}"
    without = f", not about {', '.join(audit.unknown)}" if audit.unknown else ""
    return f"{audit.service}: asked about {audit.known} of {PINNED}{without}"


def main() -> None:
    try:
        import pip_audit  # noqa: F401 — a tool of its own environment
    except ImportError:
        sys.exit("pip-audit is not installed here: `make audit` makes an environment for it")
    try:
        status, lines = verdict([asked(service) for service in SERVICES])
    except RuntimeError as error:
        sys.exit(str(error))
    print("\n".join(lines))
    sys.exit(status)


if __name__ == "__main__":
    main()
