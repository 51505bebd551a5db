"""Prompt files: both forms, and an error that names file, place and what was expected."""

import json
from pathlib import Path

import pytest

from shortlist.errors import InvalidFile
from shortlist.quality.prompts import DEFAULT_FILE, load_prompts
from shortlist.records import Facet, Message

FULL = {
    "version": 1,
    "system": "You are brief.",
    "template": "Summarise:\n{note}",
    "prompts": [
        {
            "id": "n-014",
            "cluster": "meeting-07",
            "tags": ["summarise"],
            "note": "Tom sends {it} by 3pm.",
            "pair_with": "n-015",
            "facets": [
                {"id": "deadline", "kind": "must_include", "any_of": ["3pm", "15:00"], "critical": True},
                {"id": "no-owner", "kind": "must_not_include", "regex": "Ana"},
                {"id": "len", "kind": "max_words", "value": 80},
                {"id": "shape", "kind": "json_schema", "schema": {"type": "object"}},
            ],
            "references": ["Tom, 15:00"],
            "rubric": {"faithfulness": {"1": "invented", "5": "I would send it"}},
        },
        {"id": "n-015", "input": "Plain text."},
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Go"},
            ]
        },
        "just a string",
    ],
}


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "prompts.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_workshops_bare_list_gives_a_prompt_for_each_string(tmp_path: Path) -> None:
    prompts = load_prompts(write(tmp_path, ["One?", "Two?"]))
    assert [(p.id, p.messages, p.source) for p in prompts] == [
        ("p-01", (Message("user", "One?"),), "One?"),
        ("p-02", (Message("user", "Two?"),), "Two?"),
    ]


def test_the_long_form_fills_templates_and_keeps_facets_pairs_and_clusters(tmp_path: Path) -> None:
    first, second, third, fourth = load_prompts(write(tmp_path, FULL))
    assert first.messages == (
        Message("system", "You are brief."),
        Message("user", "Summarise:\nTom sends {it} by 3pm."),
    )
    assert (first.cluster, first.pair_with, first.source) == ("meeting-07", "n-015", "Tom sends {it} by 3pm.")
    assert first.facets[0] == Facet("deadline", "must_include", ("3pm", "15:00"), critical=True)
    assert [f.kind for f in first.facets] == ["must_include", "must_not_include", "max_words", "json_schema"]
    assert second.messages[-1].content == "Plain text."
    assert [m.role for m in third.messages] == ["system", "user", "assistant", "user"]
    assert (third.id, fourth.id) == ("p-03", "p-04")


def test_the_default_prompts_are_the_workshops_four() -> None:
    prompts = load_prompts(DEFAULT_FILE)
    assert len(prompts) == 4
    assert prompts[1].messages[0].content == "List 3 privacy benefits of local inference."


def altered(**changes: object) -> dict[str, object]:
    return {**FULL, **changes}


def one(**entry: object) -> dict[str, object]:
    return {"template": "{note}", "prompts": [entry]}


def facet(**entry: object) -> dict[str, object]:
    return one(note="x", facets=[{"id": "f", **entry}])


@pytest.mark.parametrize(
    ("content", "place", "expected"),
    [
        ("{", "line 1, column 2", "not JSON"),
        ('["a"', "line 1, column 5", "not JSON"),
        (3, r"\$", "expected a list of strings"),
        ([], r"\$", "no prompt"),
        (["a", 3], r"\$\[1\]", "expected a text, got int"),
        (["a", " "], r"\$\[1\]", "expected a text"),
        (altered(version=2), r"\$\.version", "expected 1, got 2"),
        (altered(prompt=[]), r"\$", "unknown field `prompt`"),
        (altered(template="{note"), r"\$\.template", "expected '}'"),
        (altered(template="{note.x}"), r"\$\.template", "not a plain variable"),
        (altered(template="{id}"), r"\$\.template", "a key of the format"),
        (one(note="x", facet=[]), r"\$\.prompts\[0\]", "unknown field `facet`"),
        (one(note=3), r"\$\.prompts\[0\]\.note", "needs a text"),
        (one(id="a"), r"\$\.prompts\[0\]", "exactly one of"),
        (one(note="x", input="y"), r"\$\.prompts\[0\]", "exactly one of"),
        (one(note="x", tags="t"), r"\$\.prompts\[0\]\.tags", "expected `array`"),
        (one(messages=[{"role": "boss", "content": "x"}]), r"messages\[0\]\.role", "expected one of"),
        (facet(kind="includes", any_of=["x"]), r"facets\[0\]\.kind", "expected one of must_include"),
        (facet(kind="must_include"), r"facets\[0\]", "takes any_of or regex; none is given"),
        (facet(kind="max_words", any_of=["x"]), r"facets\[0\]", "takes value; got any_of"),
        (facet(kind="max_words", value=0), r"facets\[0\]\.value", "from 1"),
        (facet(kind="must_include", any_of=[""]), r"facets\[0\]\.any_of", "every answer"),
        (facet(kind="must_include", regex="("), r"facets\[0\]\.regex", "not a regular expression"),
        (one(note="x", pair_with="nobody"), "pair_with", "not another prompt's id"),
        ({"prompts": [{"id": "a", "input": "x"}, {"id": "a", "input": "y"}]}, "prompt 'a'", "twice"),
    ],
)
def test_each_mistake_names_the_file_the_place_and_what_was_expected(
    tmp_path: Path, content: object, place: str, expected: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InvalidFile, match=place) as caught:
        load_prompts(path)
    assert str(path) in caught.value.message
    assert expected in caught.value.message


def test_a_file_that_is_not_there_or_not_utf8_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="No such file"):
        load_prompts(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'["caf\xe9"]')
    with pytest.raises(InvalidFile, match="byte 5: not UTF-8"):
        load_prompts(tmp_path / "latin.json")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(InvalidFile):
        load_prompts(tmp_path / "deep.json")
