"""Object stores, as fsspec reaches them: files by URL, and every failure with its cure."""

import errno
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farfield_kernel.errors import (
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
)

_AT_ONCE = 4
"""Files under way at the same time; a large one is also sent and fetched in parts."""
_FULL = re.compile(r"quota|no space|storage ?full|insufficient storage", re.IGNORECASE)
_CREDENTIALS = re.compile(r"credential|token|access ?denied|forbidden|signature|AccessKeyId", re.IGNORECASE)


def is_url(address: str) -> bool:
    return "://" in address


def _scheme(url: str) -> str:
    return url.partition("://")[0]


class Bucket:
    """The files under one URL, such as `s3://bucket/prefix`, `gs://…`, `file:///folder` or `memory://name`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        with cured(self.url):
            try:
                import fsspec
            except ImportError as error:
                raise _not_installed(url, error) from error

            options = {"auto_mkdir": True} if _scheme(url) in ("file", "local") else {}
            found = fsspec.url_to_fs(self.url, use_listings_cache=False, **options)
            self._files: Any = found[0]
            self._root: str = found[1].rstrip("/")

    def read(self, name: str) -> bytes | None:
        """A small file; None where it is not there."""
        with cured(self.url):
            try:
                data: bytes = self._files.cat_file(self._at(name))
            except FileNotFoundError:
                return None
            return data

    def write(self, name: str, data: bytes) -> None:
        """A small file, into a folder that is there."""
        with cured(self.url):
            self._files.pipe_file(self._at(name), data)

    def upload(self, folder: Path, names: Iterable[str], to: str) -> None:
        """Files of a local folder."""

        def put(name: str) -> None:
            self._files.put_file(str(folder / name), self._at(f"{to}/{name}"))

        with cured(self.url):
            _each(put, names)

    def download(self, names: Iterable[str], folder: Path) -> None:
        """Files into a local folder, over what may be there."""

        def get(name: str) -> None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(self._at(name), str(folder / name))

        with cured(self.url):
            _each(get, names)

    def names(self, folder: str = "") -> list[str]:
        """What is directly in a folder; nothing where it is not there."""
        with cured(self.url):
            try:
                paths: list[str] = self._files.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def every(self, folder: str) -> set[str]:
        """All files of a folder and those below it, by their names in it."""
        with cured(self.url):
            root = self._at(folder)
            return {path.removeprefix(root).lstrip("/") for path in self._files.find(root)}

    def remove(self, name: str) -> None:
        """A file, or a folder with all that is in it."""
        with cured(self.url):
            try:
                self._files.rm(self._at(name), recursive=True)
            except FileNotFoundError:
                return

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


def _each(call: Any, names: Iterable[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="weights") as threads:
        for _ in threads.map(call, names):
            pass


@contextmanager
def cured(url: str) -> Iterator[None]:
    """Around calls of a store: what it raises becomes a domain error that says what to do."""
    try:
        yield
    except FarfieldError:
        raise
    except ImportError as error:
        raise _not_installed(url, error) from error
    except ValueError as error:
        raise InvalidArgument(
            f"{url} is no URL of an object store: {error}; write s3://BUCKET/PREFIX"
        ) from error
    except Exception as error:  # every backend has its own
        raise _cured(url, error) from error


def _not_installed(url: str, error: ImportError) -> FarfieldError:
    scheme = _scheme(url)
    wanted = "farfield-kernel[s3]" if scheme == "s3" else f"fsspec's package for {scheme}"
    return FailedPrecondition(f"{url} cannot be opened: {error}; install {wanted} in this image")


def _cured(url: str, error: Exception) -> FarfieldError:
    said = f"{type(error).__name__}: {error}"
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(said):
        return Exhausted(f"no space for weights of {url}: {said}; free some, or keep fewer versions")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{url} is not there: {said}; make the bucket, and check its name and the endpoint")
    if isinstance(error, PermissionError) or _CREDENTIALS.search(said):
        return Unauthenticated(
            f"{url} refuses these credentials: {said}; for S3 set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give the pod a role, which may list, read, write and delete there"
        )
    return Unavailable(f"{url} does not answer: {said}; is the endpoint right (for S3 AWS_ENDPOINT_URL)?")
