import json
import logging
import pickle

import pytest
from pydantic import ValidationError

from farfield_sdk import State
from farfield_virl import Virl, VirlOptions, convert


def published(folder, **options) -> Virl:
    return Virl(VirlOptions(world="published", data=str(folder), view_size=32, **options))


def finishes(game: Virl, seed: int = 0) -> bool:
    game.reset(seed)
    while (outcome := game.step(game.oracle())).state is State.CONTINUE:
        pass
    return outcome.success


@pytest.mark.parametrize("modality", ["text", "views"])
def test_the_oracle_walks_a_published_data_set(data_set, modality):
    assert all(finishes(published(data_set, modality=modality), seed) for seed in range(4))


def test_both_routes_are_drawn(data_set):
    game = published(data_set)
    assert {game.reset(seed).facts["heading"] == 45 for seed in range(20)} == {True, False}


def test_a_route_file_alone_is_a_world_of_text(route_file):
    assert finishes(published(route_file))
    with pytest.raises(ValidationError, match=r"views need a folder with route_infos\.json"):
        published(route_file, modality="views")


def test_json_goes_before_the_pickle(data_set):
    pickled = data_set / "gps_pano_mapping.pkl"
    assert convert.main([str(pickled)]) == 0
    pickled.write_bytes(b"not even a pickle")
    assert finishes(published(data_set, modality="views"))


def test_points_stand_where_panoramas_are(data_set):
    game = published(data_set, modality="views", drop_rate=0.0)
    game.reset(0)
    places = set(pickle.loads((data_set / "gps_pano_mapping.pkl").read_bytes()))  # noqa: S301
    assert {point.geocode for point in game._rail.points} <= places
    assert len(game._rail.points) == 11


def test_a_mapping_that_calls_code_is_refused_with_the_options(data_set):
    (data_set / "gps_pano_mapping.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    with pytest.raises(ValidationError, match="refused: the pickle has the instruction GLOBAL"):
        published(data_set, modality="views")


def test_no_mapping(data_set):
    (data_set / "gps_pano_mapping.pkl").unlink()
    with pytest.raises(ValidationError, match=r"neither gps_pano_mapping\.json nor gps_pano_mapping\.pkl"):
        published(data_set, modality="views")
    assert finishes(published(data_set))


def test_a_street_view_folder_cut_off(data_set):
    for i in (3, 4):
        (data_set / "street_views" / f"pano_{i}.jpg").unlink()
    with pytest.raises(
        ValidationError, match=r"2 files that the routes need are missing, the first is 'pano_3\.jpg'"
    ):
        published(data_set, modality="views")


def test_routes_without_panoramas_are_left_out_and_counted(data_set, caplog):
    routes, _ = json.loads((data_set / "route_infos.json").read_text())
    routes[1]["start_place"]["relocated_geocode"] = [11.0, 20.0]
    (data_set / "route_infos.json").write_text(json.dumps([routes, 2]))
    with caplog.at_level(logging.WARNING, "farfield_virl"):
        game = published(data_set, modality="views")
    assert "1 of 2 routes lack panoramas" in caplog.text
    assert {game.reset(seed).facts["heading"] == 45 for seed in range(20)} == {False}


def test_no_route_has_panoramas(data_set):
    (data_set / "gps_pano_mapping.pkl").write_bytes(pickle.dumps({(50.0, 50.0): "far_away"}))
    with pytest.raises(ValidationError, match="no route has panoramas"):
        published(data_set, modality="views")


def test_no_route_of_that_length(data_set):
    with pytest.raises(ValidationError, match="none of its 2 routes has 3 to 1000000 roads"):
        published(data_set, min_roads=3)


def test_a_data_set_is_read_again_when_it_changed(data_set):
    assert published(data_set).reset(0)
    (data_set / "route_infos.json").write_text("[[], 0]")
    with pytest.raises(ValidationError, match="no routes"):
        published(data_set)
