"""A pod's volumes as folders of this machine."""

import os
import shutil
from pathlib import Path

from tests.cluster.podman.environment import NotConfigured, contents, field
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

CLAIMS = BY_KIND["PersistentVolumeClaim"]


class Volumes:
    """`claims/NAMESPACE/NAME` are kept, all else is the pod's own and goes with it."""

    def __init__(self, folder: Path, pod: Object) -> None:
        self._pod = pod
        self._claims = folder / "claims" / pod["metadata"]["namespace"]
        self.own = folder / "pods" / pod["metadata"]["uid"]
        self._folders: dict[str, Path] = {}

    def set_up(self, store: Store) -> None:
        """Raises NotConfigured."""
        for volume in self._pod["spec"].get("volumes", []):
            self._folders[volume["name"]] = self._make(store, volume)

    def mounts(self, container: Object) -> list[str]:
        """Words for podman."""
        words = []
        for mount in container.get("volumeMounts", []):
            source = self._folders[mount["name"]] / mount.get("subPath", "")
            words.append(f"--volume={source}:{mount['mountPath']}:{'ro' if mount.get('readOnly') else 'rw'}")
        return words

    def clear(self) -> None:
        shutil.rmtree(self.own, ignore_errors=True)

    def _make(self, store: Store, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume:
            return self._claim(store, volume["persistentVolumeClaim"]["claimName"])
        folder = self.own / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            _own(folder, self._group, 0o2777)
        elif "projected" in volume:
            for source in volume["projected"]["sources"]:
                self._fill(store, folder, source)
        else:
            self._fill(store, folder, volume)
        return folder

    @property
    def _group(self) -> int | None:
        return self._pod["spec"].get("securityContext", {}).get("fsGroup")

    def _claim(self, store: Store, name: str) -> Path:
        if store.find(CLAIMS, self._pod["metadata"]["namespace"], name) is None:
            raise NotConfigured(f"persistentvolumeclaim {name} is not there")
        folder = self._claims / name
        folder.mkdir(parents=True, exist_ok=True)
        if self._group is not None and folder.stat().st_gid != self._group:  # as OnRootMismatch
            for path in [folder, *folder.rglob("*")]:
                _own(path, self._group, 0o2775 if path.is_dir() else 0o664)
        return folder

    def _fill(self, store: Store, folder: Path, source: Object) -> None:
        """Of a ConfigMap, a Secret or the pod's own fields."""
        namespace = self._pod["metadata"]["namespace"]
        if "downwardAPI" in source:
            items = source["downwardAPI"]["items"]
            found = {one["path"]: field(self._pod, one["fieldRef"]["fieldPath"]).encode() for one in items}
            given: Object = {}
        else:
            kind, given = next(
                (kind, source[name])
                for name, kind in (("configMap", "ConfigMap"), ("secret", "Secret"))
                if name in source
            )
            found = contents(store, kind, namespace, given) or {}
        if "items" in given:
            found = {one["path"]: found[one["key"]] for one in given["items"]}
        for name, content in found.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            _own(path, self._group, given.get("defaultMode", 0o644) | (0o040 if self._group else 0))


def _own(path: Path, group: int | None, mode: int) -> None:
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(mode)
