"""Pages from templates: one file that needs nothing else, with everything in it escaped."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from farfield_cli.report import palette
from farfield_cli.runs.run_folder import Json


def render(template: str, **context: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("farfield_cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["zip"] = zip
    shared = {"palette": palette, "version": version("farfield")}
    return environment.get_template(template).render(**shared, **context)


def embedded(
    shelves: Sequence[Json],
    pictures: Mapping[str, str],
    arms: Mapping[str, str],
    suites: Mapping[str, str],
) -> Any:
    """Episodes as the page's script reads them; nothing in them can end its script element."""
    from markupsafe import Markup

    shown = {
        "shelves": list(shelves),
        "labels": {"arm": dict(arms), "suite": dict(suites)},
        "pictures": dict(pictures),
    }
    data = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    safe = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(safe)  # noqa: S704 - see above
