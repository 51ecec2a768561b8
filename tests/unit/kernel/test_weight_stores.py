"""One class of tests for every store of weights; S3 where its client and a server of it are there."""

import errno
import importlib.util
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from farfield_kernel.errors import (
    DataLoss,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from farfield_kernel.weight_stores.bucket import Bucket, cured
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_kernel.weight_stores.contract import WeightStore
from farfield_kernel.weight_stores.opening import open_store
from farfield_kernel.weight_stores.remote import RemoteStore
from farfield_kernel.weights import MANIFEST, Weights, seal, sum_of

Make = Callable[..., Weights]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A sealed local folder."""

    def sealed(version: int, text: str = "weights", run_id: str = "run") -> Weights:
        folder = tmp_path / f"sealed-{version}-{text}"
        (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_text(f"{text} {version}")
        (folder / "tokenizer" / "vocab.json").write_text("{}")
        return seal(folder, run_id, version, parent=version - 1)

    return sealed


@pytest.fixture(params=["folder", "memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("s3")
    return {
        "folder": "",
        "memory": f"memory://{tmp_path.name}",
        "file": (tmp_path / "bucket").as_uri(),
        "s3": f"s3://weights/{tmp_path.name}",
    }[request.param]


@pytest.fixture
def store(url: str, tmp_path: Path) -> WeightStore:
    (tmp_path / "store").mkdir()
    return open_store(url, "run", tmp_path / "store")


@pytest.fixture
def cache(tmp_path: Path) -> WeightCache:
    return WeightCache(tmp_path / "cache")


class TestWeightStore:
    def test_a_version_is_found_and_read_as_it_was_put(
        self, store: WeightStore, make: Make, cache: WeightCache
    ) -> None:
        sealed = make(3)
        put = store.put(sealed)
        assert (put.run_id, put.version, put.digest) == ("run", 3, sealed.digest)
        assert store.find(3) == put
        read = cache.fetch(put.path)
        assert read.digest == put.digest
        assert (Path(read.path) / "model.safetensors").read_text() == "weights 3"
        assert (Path(read.path) / "tokenizer" / "vocab.json").read_text() == "{}"

    def test_the_same_content_again_changes_nothing(self, store: WeightStore, make: Make) -> None:
        put = store.put(make(1))
        again = make(1, "weights")
        assert store.put(again) == put
        assert store.versions() == [1]

    def test_other_content_replaces_the_version(
        self, store: WeightStore, make: Make, cache: WeightCache
    ) -> None:
        first = store.put(make(1))
        second = store.put(make(1, "other"))
        assert first.digest != second.digest
        assert store.find(1) == second
        assert (Path(cache.fetch(second.path).path) / "model.safetensors").read_text() == "other 1"

    def test_versions_come_in_order_and_go(self, store: WeightStore, make: Make) -> None:
        assert store.versions() == []
        for version in (10, 2, 0):
            store.put(make(version))
        assert store.versions() == [0, 2, 10]
        store.remove(2)
        store.remove(2)
        assert store.versions() == [0, 10]
        with pytest.raises(NotFound, match="holds no sealed weights"):
            store.find(2)

    def test_what_was_never_put_is_not_found(
        self, store: WeightStore, cache: WeightCache, make: Make
    ) -> None:
        with pytest.raises(NotFound, match="holds no sealed weights"):
            store.find(7)
        put = store.put(make(7))
        with pytest.raises(NotFound, match="holds no sealed weights"):
            cache.fetch(put.path.replace("000007", "000008"))


@pytest.fixture(params=["memory", "file", "s3"])
def remote_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("s3")
    places = {"memory": "memory://{}", "file": f"file://{tmp_path}/{{}}", "s3": "s3://weights/{}"}
    return places[request.param].format(f"remote-{tmp_path.name}")


@pytest.fixture
def remote(remote_url: str) -> RemoteStore:
    return RemoteStore(remote_url, "run", patience_seconds=0)


def files(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir() if item.is_dir())


class TestRemote:
    """What only a store has that is read over a wire."""

    def test_a_torn_upload_is_not_there_and_is_made_whole(
        self, remote: RemoteStore, remote_url: str, make: Make, cache: WeightCache
    ) -> None:
        """The trainer died between the first file and the manifest."""
        sealed = make(1)
        Bucket(f"{remote_url}/run").upload(Path(sealed.path), ["model.safetensors"], "000001")
        with pytest.raises(NotFound):
            remote.find(1)
        with pytest.raises(NotFound):
            cache.fetch(f"{remote_url}/run/000001")
        assert cache.fetch(remote.put(sealed).path).version == 1

    def test_a_lost_file_is_data_loss_and_put_again(
        self, remote: RemoteStore, remote_url: str, make: Make
    ) -> None:
        sealed = make(1)
        remote.put(sealed)
        Bucket(remote_url).remove("run/000001/tokenizer/vocab.json")
        with pytest.raises(DataLoss, match=r"tokenizer/vocab\.json is missing"):
            remote.find(1)
        remote.put(sealed)
        assert remote.find(1).digest == sealed.digest

    def test_a_torn_download_goes_on_with_what_came_whole(
        self, remote: RemoteStore, remote_url: str, make: Make, cache: WeightCache, tmp_path: Path
    ) -> None:
        put, bucket = remote.put(make(1)), Bucket(f"{remote_url}/run/000001")
        whole = bucket.read("model.safetensors") or b""
        bucket.write("model.safetensors", b"torn")
        with pytest.raises(DataLoss, match=r"model\.safetensors is not what was published"):
            cache.fetch(put.path)
        (partial,) = (tmp_path / "cache").glob("*.partial")
        kept = partial / "tokenizer" / "vocab.json"
        os.utime(kept, (7, 7))
        bucket.write("model.safetensors", whole)
        folder = Path(cache.fetch(put.path).path)
        assert (folder / "model.safetensors").read_bytes() == whole
        assert (folder / "tokenizer" / "vocab.json").stat().st_mtime == 7
        assert files(tmp_path / "cache") == [folder.name]

    def test_a_version_is_downloaded_once(
        self, remote: RemoteStore, remote_url: str, make: Make, cache: WeightCache
    ) -> None:
        put = remote.put(make(1))
        first = cache.fetch(put.path)
        Bucket(f"{remote_url}/run/000001").remove("model.safetensors")
        assert cache.fetch(put.path) == first

    def test_what_was_torn_on_the_disk_is_downloaded_again(
        self, remote: RemoteStore, make: Make, cache: WeightCache
    ) -> None:
        put = remote.put(make(1))
        folder = Path(cache.fetch(put.path).path)
        (folder / "model.safetensors").write_text("rotten")
        with pytest.raises(DataLoss):
            cache.fetch(put.path)
        assert sum_of(Path(cache.fetch(put.path).path) / MANIFEST) == put.digest

    def test_the_latest_used_are_kept(self, remote: RemoteStore, make: Make, tmp_path: Path) -> None:
        cache = WeightCache(tmp_path / "cache", keep=2)
        addresses = [remote.put(make(version)).path for version in range(4)]
        for number, address in enumerate(addresses[:3]):
            os.utime(cache.fetch(address).path, (number, number))
        assert [name[:6] for name in files(tmp_path / "cache")] == ["000001", "000002"]
        cache.fetch(addresses[1])
        cache.fetch(addresses[3])
        assert [name[:6] for name in files(tmp_path / "cache")] == ["000001", "000003"]

    def test_what_is_left_of_another_download_goes(
        self, remote: RemoteStore, make: Make, cache: WeightCache, tmp_path: Path
    ) -> None:
        (tmp_path / "cache" / "000000-abc.partial").mkdir(parents=True)
        folder = Path(cache.fetch(remote.put(make(1)).path).path)
        assert files(tmp_path / "cache") == [folder.name]


def test_two_that_share_a_folder_download_one_after_the_other(tmp_path: Path, make: Make) -> None:
    """Each makes room, and would take what the other has half of."""
    store = RemoteStore((tmp_path / "bucket").as_uri(), "run")
    puts = [store.put(make(version)) for version in range(8)]
    caches = [WeightCache(tmp_path / "cache", keep=1) for _ in puts]
    with ThreadPoolExecutor(len(puts)) as threads:
        found = list(threads.map(lambda pair: pair[0].fetch(pair[1].path), zip(caches, puts, strict=True)))
    assert [one.digest for one in found] == [put.digest for put in puts]
    assert len(files(tmp_path / "cache")) == 1


def test_a_manifest_reaches_no_file_outside(tmp_path: Path, make: Make, cache: WeightCache) -> None:
    put = RemoteStore(tmp_path.as_uri(), "run").put(make(1))
    manifest = tmp_path / "run" / "000001" / MANIFEST
    manifest.write_text(manifest.read_text().replace("tokenizer/vocab.json", "../../outside"))
    with pytest.raises(DataLoss, match="names a file outside of its folder"):
        cache.fetch(put.path)


def test_a_url_needs_a_folder_to_be_downloaded_to(make: Make, tmp_path: Path) -> None:
    put = RemoteStore(tmp_path.as_uri(), "run").put(make(1))
    with pytest.raises(FailedPrecondition, match="set weights_cache"):
        WeightCache(None).fetch(put.path)


def test_a_cache_that_cannot_be_written_says_so(make: Make, tmp_path: Path) -> None:
    put = RemoteStore(tmp_path.as_uri(), "run").put(make(1))
    (tmp_path / "full").write_text("no folder")
    with pytest.raises(Exhausted, match="give weights_cache a folder that can"):
        WeightCache(tmp_path / "full").fetch(put.path)


@pytest.mark.parametrize(
    ("raised", "error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Exhausted, "free some"),
        (
            OSError(errno.EIO, "XMinioStorageFull: Storage backend has reached its limit"),
            Exhausted,
            "free some",
        ),
        (OSError(errno.EIO, "QuotaExceeded"), Exhausted, "keep fewer versions"),
        (PermissionError("Access Denied"), Unauthenticated, "AWS_ACCESS_KEY_ID"),
        (OSError(errno.EIO, "InvalidAccessKeyId"), Unauthenticated, "give the pod a role"),
        (FileNotFoundError("The specified bucket does not exist"), NotFound, "make the bucket"),
        (TimeoutError("read timed out"), Unavailable, "is the endpoint right"),
        (ConnectionResetError("reset"), Unavailable, "does not answer"),
    ],
)
def test_every_failure_comes_with_its_cure(raised: Exception, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), cured("s3://bucket/prefix"):
        raise raised


def test_a_store_that_does_not_answer_is_tried_again(make: Make, tmp_path: Path) -> None:
    store = RemoteStore((tmp_path / "bucket").as_uri(), "run", patience_seconds=60)
    answers = iter([TimeoutError("read timed out"), TimeoutError("read timed out")])
    upload = store._bucket.upload

    def sometimes(*arguments: Any) -> None:
        if failure := next(answers, None):
            with cured("s3://bucket"):
                raise failure
        upload(*arguments)

    store._bucket.upload = sometimes  # type: ignore[method-assign]
    assert store.find(store.put(make(1)).version).version == 1


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("bucket/prefix", InvalidArgument, "write s3://BUCKET/PREFIX"),
        ("nonsense://bucket", InvalidArgument, "no URL of an object store"),
    ],
)
def test_what_is_no_url_is_refused(tmp_path: Path, url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        open_store(url, "run", tmp_path)


def test_a_missing_client_is_named_with_its_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("gcsfs"):
        pytest.skip("gcsfs is installed")
    with pytest.raises(FailedPrecondition, match="install fsspec's package for gs"):
        open_store("gs://bucket/prefix", "run", tmp_path)


class TestS3:
    """Errors of the real wire, each with its cure."""

    @pytest.fixture(autouse=True)
    def anew(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A client of the environment as the test sets it."""
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()
        yield
        S3FileSystem.clear_instance_cache()

    def test_a_missing_bucket(self, make: Make) -> None:
        with pytest.raises(NotFound, match="make the bucket"):
            RemoteStore("s3://nowhere/prefix", "run").put(make(1))

    def test_no_credentials(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(Unauthenticated, match="set AWS_ACCESS_KEY_ID"):
            RemoteStore("s3://weights/prefix", "run").put(make(1))

    def test_an_endpoint_that_does_not_answer(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
        with pytest.raises(Unavailable, match="AWS_ENDPOINT_URL"):
            RemoteStore("s3://weights/prefix", "run", patience_seconds=0).put(make(1))
