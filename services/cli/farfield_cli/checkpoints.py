"""Checkpoints in Hugging Face format, as people name them."""

import re
from pathlib import Path

from farfield_kernel.errors import NotFound
from farfield_kernel.weight_stores.bucket import is_url
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_kernel.weight_stores.remote import RemoteStore

DOWNLOADS = Path("runs/downloads")
_KEPT = 4
"""Versions of buckets that stay in it."""


def checkpoint(model: str | Path) -> Path:
    """The folder itself when it is a checkpoint; of a run's folder the newest weights. Of a URL, that of a
    version or of a run in an object store, what is downloaded from there."""
    if is_url(str(model)):
        return _whole(_downloaded(str(model)))
    folder = Path(model).expanduser().resolve()
    if (folder / "config.json").exists():
        return _whole(folder)
    versions = sorted(one for one in (folder / "weights").glob("*") if (one / "config.json").exists())
    if not versions:
        raise NotFound(
            f"{model} is neither a checkpoint (no config.json) nor a run with weights; give a folder in "
            "Hugging Face format, such as examples/tiny/checkpoint, or a run's folder"
        )
    return _whole(versions[-1])


def _downloaded(url: str) -> Path:
    """Of a run the newest version."""
    place, _, name = url.rstrip("/").rpartition("/")
    if not name.isdigit():
        versions = RemoteStore(place, name, patience_seconds=0).versions()
        if not versions:
            raise NotFound(f"{url} holds no versions; give s3://BUCKET/PREFIX/RUN, or a version's URL in it")
        url = f"{place}/{name}/{versions[-1]:06d}"
    return Path(WeightCache(DOWNLOADS, _KEPT).fetch(url).path).resolve()


def _whole(folder: Path) -> Path:
    missing = [kind for kind in ("*.safetensors", "tokenizer*.json") if not any(folder.glob(kind))]
    if missing:
        raise NotFound(
            f"{folder} has a config.json and no {' and no '.join(missing)}: it is no whole checkpoint; save "
            "the model and its tokenizer there with save_pretrained"
        )
    return folder


def label(folder: Path) -> str:
    """A checkpoint's name in names of files. Weights of a run are named after it."""
    name = folder.name
    if folder.parent.name == "weights" and folder.name.isdigit():
        name = f"{folder.parent.parent.name}-{int(folder.name)}"
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:40].strip(".-") or "model"
