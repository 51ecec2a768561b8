import json
import struct
import zlib

import pytest
from PIL import Image

from farfield_virl.bearings import METRES_PER_DEGREE
from farfield_virl.data.faults import BadData
from farfield_virl.data.mapping import load_panoramas
from farfield_virl.data.panoramas import StreetViews
from farfield_virl.data.pictures import open_image

NORTH, EAST, SOUTH, WEST = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)
CORNER, EAST_END, SOUTH_END = (10.0, 20.0), (10.0, 20.001), (9.9991, 20.0)


def street_views(data_set) -> StreetViews:
    return StreetViews(data_set / "street_views", load_panoramas(data_set / "gps_pano_mapping.pkl"))


def like(colour, other) -> bool:
    return all(abs(x - y) < 40 for x, y in zip(colour, other, strict=True))


@pytest.mark.parametrize("place", [SOUTH_END, CORNER, EAST_END])
@pytest.mark.parametrize(
    ("heading", "colour"), [(0, NORTH), (90, EAST), (180, SOUTH), (270, WEST), (-90, WEST)]
)
def test_views_face_their_heading_however_the_panorama_is_turned(data_set, place, heading, colour):
    view = street_views(data_set).view(place, heading, 64)
    assert view.size == (64, 64)
    assert like(view.getpixel((32, 32)), colour)
    assert like(view.getpixel((8, 32)), colour)
    assert like(view.getpixel((56, 50)), colour)


def test_a_view_between_two_directions_has_the_first_at_its_left(data_set):
    view = street_views(data_set).view(CORNER, 45, 64)
    assert like(view.getpixel((10, 32)), NORTH)
    assert like(view.getpixel((54, 32)), EAST)


def test_places_snap_to_the_nearest_panorama_within_20_metres(data_set):
    views, step = street_views(data_set), 1 / METRES_PER_DEGREE
    assert views.snap((CORNER[0] + 5 * step, CORNER[1])) == CORNER
    assert views.snap((CORNER[0] + 19 * step, CORNER[1])) == CORNER
    assert views.snap((CORNER[0] + 21 * step, CORNER[1])) is None
    with pytest.raises(BadData, match="no panorama within 20 m"):
        views.view((0.0, 0.0), 0, 64)


def test_a_folder_that_is_cut_off(data_set):
    (data_set / "street_views" / "pano_5.jpg").unlink()
    (data_set / "street_views" / "pano_7.metadata.json").unlink()
    views = street_views(data_set)
    with pytest.raises(BadData, match=r"2 files .* missing, the first is 'pano_5\.jpg'.*complete"):
        views.demand([SOUTH_END, CORNER, *load_panoramas(data_set / "gps_pano_mapping.pkl")])
    views.demand([SOUTH_END])


def test_no_folder(tmp_path):
    with pytest.raises(BadData, match="no folder of street views"):
        StreetViews(tmp_path / "nowhere", {(1.0, 2.0): "a"})


def test_metadata_without_a_rotation(data_set):
    (data_set / "street_views" / "pano_0.metadata.json").write_text(json.dumps({"heading": 3}))
    with pytest.raises(BadData, match="key 'rotation'"):
        street_views(data_set).view(SOUTH_END, 0, 64)


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and has not a single pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_picture_of_20_000_by_20_000_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(20_000, 20_000))
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(BadData, match=r"huge\.png: too many pixels"):
        open_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_our_own_limit_is_lower_than_that_of_the_library(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(13_000, 13_000))
    with pytest.raises(BadData, match="13000 × 13000 pixels is no size for a panorama"):
        open_image(path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a" + bytes(50)])
def test_files_that_are_no_pictures(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"a\.jpg: neither a JPEG nor a PNG"):
        open_image(path)


def test_other_formats_are_not_even_tried(tmp_path):
    Image.new("RGB", (64, 32)).save(tmp_path / "a.jpg", "TIFF")
    with pytest.raises(BadData, match="neither"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_cut_off(tmp_path, kind):
    path = tmp_path / "a.jpg"
    Image.effect_noise((256, 128), 80).convert("RGB").save(path, kind)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BadData, match=r"a\.jpg: corrupt or cut off"):
        open_image(path)


def test_large_panoramas_are_reduced(tmp_path):
    Image.new("RGB", (4200, 64)).save(tmp_path / "a.jpg")
    assert open_image(tmp_path / "a.jpg").width <= 4096
