from typing import Any

import pytest
from pydantic import ValidationError

from farfield_verifiers.options import ADMITTED, TasksetOptions, check_config
from farfield_verifiers.verifier import TasksetVerifier


def test_a_taskset_is_admitted_by_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADMITTED, "sums, words")
    with pytest.raises(ValidationError, match=f"may not import the taskset 'os': name it in {ADMITTED}"):
        TasksetOptions(taskset="os")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"system_prompt": "/etc/passwd"}, "system_prompt: code and files"),
        ({"task": {"rewards": {"x": {"fn": "os.system"}}}}, "task.rewards: code and files"),
        ({"id": "os", "task": {"judges": []}}, "id, task.judges"),
    ],
)
def test_a_config_names_no_code(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_config(config)


def test_what_a_config_may_say() -> None:
    check_config({"split": "test", "task": {"strict": True}})
    assert TasksetVerifier.Options().correct_at == 1.0
