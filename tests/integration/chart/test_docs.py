"""What docs/cluster.md shows is rendered, and read by the services."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from farfield_kernel.config import parse
from farfield_trainer.run_config import RunConfig

sys.path.insert(0, str(Path(__file__).parent))

from configurations import accepted
from rendering import CHART, ROOT, Object, run, strict_schemas, template

PAGE = (ROOT / "docs" / "cluster.md").read_text()
BLOCKS = re.findall(r"^```yaml\n# (.*?)\n(.*?)^```", PAGE, re.M | re.S)
FIRST, OVER = "my-values.yaml", "my-values.yaml, over the above"


def blocks(name: str) -> list[str]:
    return [text for title, text in BLOCKS if title == name]


@pytest.fixture(params=[FIRST, *range(len(blocks(OVER)))])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Values files: the first of the page, alone or with one that stands over it."""
    over = [] if request.param == FIRST else [blocks(OVER)[request.param]]
    paths = []
    for number, text in enumerate([*blocks(FIRST), *over]):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text)
    return paths


def test_there_is_one_file_to_begin_with_and_others_over_it() -> None:
    assert len(blocks(FIRST)) == 1
    assert len(blocks(OVER)) >= 8
    assert {title for title, _ in BLOCKS} >= {"models.yaml", "run.yaml", "joined.yaml"}


def test_values_are_rendered_and_services_read_what_they_are_given(each_helm: str, files: list[Path]) -> None:
    first, *others = files
    words = [word for path in others for word in ("--values", str(path))]
    assert len(accepted(template(each_helm, first, *words))) >= 5


def test_the_values_that_it_begins_with_install_what_it_says(helm: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(blocks(FIRST)[0])
    kinds = {one["metadata"]["labels"]["farfield.dev/kind"] for one in template(helm, file)}
    assert {"environment", "verifier", "policy", "rollout", "trainer", "redis", "runs"} <= kinds


def manifests() -> Iterator[Object]:
    for name in ("models.yaml", "joined.yaml"):
        for text in blocks(name):
            yield from yaml.safe_load_all(text)


def test_manifests_are_what_kubernetes_knows() -> None:
    schemas = strict_schemas()
    shown = list(manifests())
    assert len(shown) == 4
    for one in shown:
        schemas.validate(one, "1.28")


def test_the_run_is_one_that_the_trainer_takes() -> None:
    (text,) = blocks("run.yaml")
    assert parse(RunConfig, yaml.safe_load(text), "run.yaml").updates == 20


def test_commands_of_helm_name_flags_that_it_has(each_helm: str) -> None:
    commands = re.findall(r"^helm (\w+) (.*)$", PAGE, re.M)
    assert {name for name, _ in commands} >= {"install", "test", "upgrade", "rollback"}
    for name, words in commands:
        known = run(each_helm, name, "--help").stdout
        for flag in re.findall(r"--[a-z-]+", words):
            assert flag in known, f"helm {name} {flag}"


def test_values_that_are_named_exist() -> None:
    known = yaml.safe_load((CHART / "values.yaml").read_text())
    sections = "|".join(section for section in known if isinstance(known[section], dict))
    named = re.findall(rf"`({sections})\.([A-Za-z]+)[^`]*`", PAGE.partition("\n## Discovery\n")[0])
    for section, key in set(named) - {("tls", "crt"), ("tls", "key")}:  # files
        assert key in {**known[section], **known["common"]}, f"{section}.{key}"
