"""What a schema becomes before an engine is held to it: narrower, never wider."""

import jsonschema

from shortlist.engines.guidance import MOST_INTEGER, literals, tight

SCHEMA = {
    "type": "object",
    "properties": {
        "größe": {"type": "integer"},
        "few": {"type": "integer", "maximum": 3},
        "list": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"const": "später"}]}},
        "kind": {"enum": ["a", 1, None]},
    },
    "$defs": {"n": {"type": "integer"}},
}


def test_integers_without_bounds_get_them_wherever_they_stand() -> None:
    bounds = {"minimum": -MOST_INTEGER, "maximum": MOST_INTEGER}
    found = tight(SCHEMA)
    assert found["properties"]["größe"] == {"type": "integer", **bounds}
    assert found["properties"]["few"] == {"type": "integer", "maximum": 3}
    assert found["properties"]["list"]["items"]["anyOf"][0] == {"type": "integer", **bounds}
    assert found["$defs"]["n"] == {"type": "integer", **bounds}
    assert "minimum" not in SCHEMA["properties"]["größe"]  # type: ignore[index]  # what was asked for stays as it is
    for answer in ({"größe": 12}, {"few": 2, "list": [1, "später"]}):
        jsonschema.validate(answer, {key: value for key, value in found.items() if key != "x-guidance"})
        jsonschema.validate(answer, SCHEMA)


def test_a_negation_is_left_alone() -> None:
    """Bounds inside `not` would let more through."""
    assert tight({"not": {"type": "integer"}})["not"] == {"type": "integer"}


def test_literals_are_found_in_the_depth_and_odd_schemas_do_no_harm() -> None:
    assert set(literals(SCHEMA)) == {"größe", "few", "list", "kind", "später", "a"}
    odd = {"enum": 3, "properties": [], "anyOf": {"type": "integer"}, "items": True, "allOf": [1], "$defs": {"x": None}}
    assert list(literals(odd)) == []
    assert tight(odd)["enum"] == 3
