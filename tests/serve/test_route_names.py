"""What a routed name asks for, and the file that keeps routes."""

import json
from pathlib import Path

import pytest

from shortlist.errors import BadInput, InvalidFile
from shortlist.serve.routes import (
    Asked,
    KeptRoute,
    Member,
    RouteBook,
    asked,
    check_name,
    load_routes,
    save_routes,
    tag_of,
)

ROUTE = KeptRoute(
    [Member("notes-large", "ab" * 32), Member("notes-medium")], "2026-11-26T12:00:00Z", "0a1b2c3d", "ship"
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("auto", Asked("auto")),
        ("auto:summarise", Asked("auto:summarise", ("summarise",))),
        (
            "auto:Summarise, tools,context=8000,commercial",
            Asked("auto:Summarise, tools,context=8000,commercial", ("summarise", "tools"), 8000, is_commercial=True),
        ),
        ("team", Asked("team", route="team")),
        ("automatic", None),
        ("notes-large", None),
    ],
)
def test_a_name_is_taken_apart(name: str, found: Asked | None) -> None:
    assert asked(name, {"team": ROUTE}) == found


@pytest.mark.parametrize("name", ["auto:", "auto:a,,b", "auto:context=many", "auto:size=3", "auto:../x", "auto:a b"])
def test_a_need_that_is_none_is_refused_and_not_passed_over(name: str) -> None:
    with pytest.raises(BadInput, match="neither a tag nor a need"):
        asked(name, {})


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Summarise these minutes", "summarise"),
        ("Peux-tu résumer la réunion ?", "summarise"),
        ("Translate this to German", "translate"),
        ("Why does this Python function fail?", "code"),
        ("Hello there", None),
        ("", None),
    ],
)
def test_a_question_gives_its_tag_away_or_does_not(text: str, tag: str | None) -> None:
    assert tag_of(text) == tag


@pytest.mark.parametrize("name", ["auto", "Has Space", "", "../up", "x" * 65, "naïve"])
def test_a_route_has_a_plain_name(name: str) -> None:
    with pytest.raises(BadInput, match="route's name"):
        check_name(name)


def test_routes_are_kept_and_a_book_sees_a_change(tmp_path: Path) -> None:
    book = RouteBook(tmp_path / "home")
    assert book.routes() == {}
    save_routes(tmp_path / "home", {"team": ROUTE})
    assert dict(book.routes()) == load_routes(tmp_path / "home") == {"team": ROUTE}
    save_routes(tmp_path / "home", {})
    assert dict(book.routes()) == {}
    (tmp_path / "home" / "routes.json").unlink()
    assert dict(book.routes()) == {}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"version": 1, "routes": {"a": {"models": [], "set_at": ""}}}',
        '{"version": 1, "routes": {"a": {"models": []}}}',
        '{"nothing": 1}',
    ],
)
def test_a_file_that_is_not_ours_is_an_error_with_its_place(tmp_path: Path, content: str) -> None:
    (tmp_path / "routes.json").write_text(content)
    with pytest.raises(InvalidFile, match=r"routes\.json"):
        RouteBook(tmp_path).routes()


def test_what_is_written_is_plain_json(tmp_path: Path) -> None:
    save_routes(tmp_path, {"team": ROUTE})
    told = json.loads((tmp_path / "routes.json").read_text())
    assert told["version"] == 1
    assert [member["model"] for member in told["routes"]["team"]["models"]] == ["notes-large", "notes-medium"]
