"""The images of episodes that are kept to be read: one file each, named by digest."""

import mimetypes
from collections.abc import Iterable
from pathlib import Path

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.images import Blobs, images_in


def keep_images(folder: Path, trajectories: Iterable[Trajectory], blobs: Blobs) -> None:
    """Writes what the trajectories show, e.g. as `<sha256>.png`; what is there already is left alone."""
    for trajectory in trajectories:
        for image in images_in(trajectory):
            extension = mimetypes.guess_extension(image.media_type) or ""
            path, data = folder / f"{image.sha256}{extension}", blobs[image.sha256]
            if not path.exists() or path.stat().st_size != len(data):  # a kill may have cut it short
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
