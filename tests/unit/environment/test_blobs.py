import pytest

from farfield.types.v1 import types_pb2
from farfield_environment.blobs import Blobs
from farfield_kernel.errors import NotFound


def test_an_image_lives_as_long_as_its_last_holder() -> None:
    blobs = Blobs()
    image = types_pb2.Image(media_type="image/png", sha256="a", data=b"x")
    blobs.hold(image)
    blobs.hold(image)
    image.ClearField("data")
    assert blobs.get("a").data == b"x"
    blobs.release(["a"])
    assert blobs.get("a").data == b"x"
    blobs.release(["a"])
    with pytest.raises(NotFound, match="no image a"):
        blobs.get("a")
