import pytest
from pydantic import ValidationError

from farfield_openenv.adapter.options import LOCAL_CLASSES, OpenEnvOptions
from farfield_openenv.adapter.remote import socket_url


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "give one of url and local"),
        ({"url": "http://a", "local": "a:B"}, "give one of url and local"),
        ({"url": "ftp://a"}, "begins with none of"),
        ({"local": "os:system"}, f"name it in {LOCAL_CLASSES}"),
    ],
)
def test_where_it_is_must_be_clear(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OpenEnvOptions(**given)


def test_a_local_class_is_admitted_by_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOCAL_CLASSES, "a:B, games.word:Word")
    assert OpenEnvOptions(local="games.word:Word").local == "games.word:Word"


@pytest.mark.parametrize("given", ["http://host:8000", "http://host:8000/", "ws://host:8000/ws"])
def test_urls_of_every_kind(given: str) -> None:
    assert socket_url(given) == "ws://host:8000/ws"
    assert socket_url("https://host/base") == "wss://host/base/ws"
