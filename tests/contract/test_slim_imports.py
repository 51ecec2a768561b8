"""Invariant 5: environment, verifier, rollout and the CLI never import torch."""

import json
import subprocess
import sys

import pytest

SLIM = [
    "farfield_sdk",
    "farfield_kernel",
    "farfield_environment",
    "farfield_verifier",
    "farfield_rollout",
    "farfield_cli",
    "farfield_conformance",
    "farfield_generalpoints",
    "farfield_virl",
    "farfield_openenv",
    "farfield_reasoning_gym",
    "farfield_gymnasium",
    "farfield_verifiers",
]

EXTRAS = {"osmnx", "verifiers", "kubernetes", "aiohttp"}
"""What a part of a plugin may need that is not installed with it."""
IMPORT_ALL = f"""
import importlib, json, pkgutil, sys
imported = {{}}
for name in {SLIM!r}:
    package = importlib.import_module(name)
    modules = [m.name for m in pkgutil.walk_packages(package.__path__, name + ".")]
    imported[name] = len(modules)
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in {EXTRAS!r}:
                raise
        heavy = {{"torch", "transformers", "safetensors", "tokenizers"}} & sys.modules.keys()
        assert not heavy, f"{{module}} imports {{sorted(heavy)}}"
print(json.dumps(imported))
"""


@pytest.mark.timeout(400)  # about four hundred modules
def test_every_module_imports_without_torch() -> None:
    """In one interpreter: the first module that brings torch in is named."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = json.loads(done.stdout.splitlines()[-1])
    assert all(imported[name] for name in SLIM), imported


SLIM_PARTS = {
    "farfield_policy": "__main__ service servicer scripted",
    "farfield_trainer.learning": "algorithm_config samples sft",
}


@pytest.mark.parametrize("name", SLIM_PARTS)
def test_parts_of_the_torch_services_import_without_torch(name: str) -> None:
    code = (
        "import importlib, sys\n"
        f"for part in {SLIM_PARTS[name].split()}:\n"
        f"    importlib.import_module({name!r} + '.' + part)\n"
        "assert not {'torch', 'transformers'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["farfield_policy", "farfield_trainer"])
def test_config_of_a_torch_service_is_read_before_torch(name: str) -> None:
    """A wrong key is answered at once, without the seconds that torch takes to load."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{name!r}, '--no-such-key', '1']\n"
        "try:\n"
        f"    runpy.run_module({name + '.__main__'!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 2, stop.code\n"
        "    assert 'torch' not in sys.modules\n"
        "else:\n"
        "    raise AssertionError('an unknown key was accepted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no_such_key" in done.stderr


@pytest.mark.parametrize("name", ["farfield_rollout.services", "farfield_trainer.peers"])
def test_a_static_list_of_services_needs_no_library_for_clusters(name: str) -> None:
    code = (
        f"import asyncio, sys, {name}\n"
        "from farfield_kernel.discovery.config import ListedService, StaticDiscovery\n"
        "from farfield_kernel.discovery.opening import opened\n"
        "listed = ListedService(kind='verifier', address='v:1')\n"
        "assert asyncio.run(opened(StaticDiscovery(services=(listed,))))\n"
        "assert not {'aiohttp', 'kubernetes'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
