"""Nothing that arrives is run: no pickle, eval or code of a checkpoint anywhere in services and plugins, but
for the one unpickler that knows no class and no function."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNNING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}
PLAIN_UNPICKLER = "plugins/virl/farfield_virl/data/mapping.py"


def sources() -> list[Path]:
    folders = [*ROOT.glob("services/*/farfield_*"), *ROOT.glob("plugins/*/farfield_*")]
    return [path for folder in folders for path in folder.rglob("*.py") if not path.stem.endswith("_pb2")]


def found(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        line = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Import(names=names) if RUNNING & {name.name.split(".")[0] for name in names}:
                yield f"{line}: imports {ast.unparse(node)}"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNNING:
                yield f"{line}: {ast.unparse(node)}"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"{line}: calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
                yield f"{line}: calls torch.load"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "unsafe_load")):
                yield f"{line}: calls yaml.load"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="Image"), attr="open")) if "formats=" not in (
                ast.unparse(node)
            ):
                yield f"{line}: opens images of any format, of which some run programs"
            case ast.keyword(arg="trust_remote_code", value=ast.Constant(value=True)):
                yield f"{line}: trusts remote code"
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield f"{line}: runs a shell"


def test_nothing_runs_what_arrives() -> None:
    files = sources()
    assert len(files) > 300
    wrong = [one for path in files for one in found(path) if PLAIN_UNPICKLER not in one]
    assert wrong == []


def test_the_scan_finds_what_it_looks_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import pickle\nfrom dill import loads\neval('1')\ntorch.load('x')\nf(trust_remote_code=True)\n"
        "Image.open(x)\nImage.open(x, formats=('PNG',))\n"
    )
    assert len(list(found(bad))) == 6


def test_the_one_unpickler_knows_no_class() -> None:
    assert list(found(ROOT / PLAIN_UNPICKLER)) == [f"{PLAIN_UNPICKLER}:10: imports import pickle"]
