"""Label and field selectors, in the two forms that the API has: text in queries, data in objects."""

import re
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
Labels = dict[str, str]
Test = Callable[[Labels], bool]

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<operator>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^!=\s]+)\s*(?P<operator>==|=|!=)\s*(?P<value>\S*)$")


def labelled(text: str) -> Test:
    """The test of a query's `labelSelector`: `a=b,c!=d,e in (f,g),h,!i`."""
    tests = [_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(part: str) -> Test:
    if found := _SET.match(part):
        values = [value.strip() for value in found["values"].split(",")]
        return _expression({"key": found["key"], "operator": found["operator"], "values": values})
    if found := _EQUAL.match(part):
        operator = "notin" if found["operator"] == "!=" else "in"
        return _expression({"key": found["key"], "operator": operator, "values": [found["value"]]})
    operator = "doesnotexist" if part.startswith("!") else "exists"
    return _expression({"key": part.lstrip("!"), "operator": operator})


def _expression(wanted: Object) -> Test:
    key, values = wanted["key"], wanted.get("values", [])
    tests: dict[str, Test] = {
        "in": lambda labels: labels.get(key) in values,
        "notin": lambda labels: labels.get(key) not in values,
        "exists": lambda labels: key in labels,
        "doesnotexist": lambda labels: key not in labels,
    }
    return tests[wanted["operator"].lower()]


def matches(selector: Object, labels: Labels) -> bool:
    """Whether a `matchLabels`/`matchExpressions` selector takes the labels; an empty one takes all."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(_expression(one)(labels) for one in selector.get("matchExpressions", []))


def fielded(text: str) -> Callable[[Object], bool]:
    """The test of a query's `fieldSelector`: `metadata.name=a,status.phase!=Running`."""
    tests = [found for part in text.split(",") if (found := _EQUAL.match(part.strip()))]

    def test(one: Object) -> bool:
        return all(
            (field(one, found["key"]) == found["value"]) == (found["operator"] != "!=") for found in tests
        )

    return test


def field(one: Object, path: str) -> str:
    value: Any = one
    for word in path.split("."):
        value = value.get(word, "") if isinstance(value, dict) else ""
    return str(value)
