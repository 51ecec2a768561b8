"""From a store's URL to the store of a run."""

from pathlib import Path

from farfield_kernel.errors import InvalidArgument
from farfield_kernel.weight_stores.bucket import is_url
from farfield_kernel.weight_stores.contract import WeightStore
from farfield_kernel.weight_stores.folder import FolderStore
from farfield_kernel.weight_stores.remote import RemoteStore


def open_store(url: str, run_id: str, folder: Path) -> WeightStore:
    """The object store at `url`, such as `s3://bucket/prefix`; with no url, the run's own `folder`."""
    if not url:
        return FolderStore(folder)
    if not is_url(url):
        raise InvalidArgument(
            f"weights: '{url}' is no URL; write s3://BUCKET/PREFIX or file:///FOLDER, or leave it out to "
            "publish in the run's folder"
        )
    return RemoteStore(url, run_id)
