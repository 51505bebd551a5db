"""A run as one JSON document."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from results.made_run import Shape, make_run
from shortlist.errors import InvalidFile
from shortlist.results.export import export_golden, export_run, import_run

RUN = make_run()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(export_run(make_run(Shape(rounds=2))))
    change(document)
    return json.dumps(document).encode()


def test_a_run_survives_export_and_import_exactly() -> None:
    assert import_run(export_run(RUN)) == RUN
    assert export_run(import_run(export_run(RUN))) == export_run(RUN)


def test_any_text_survives_and_the_document_is_ascii() -> None:
    odd = "\ud800 \x00 \x1b[31m \u202e 漢字 \U0001f600"
    run = replace(RUN, samples=(replace(RUN.samples[0], text=odd, reasoning=odd), *RUN.samples[1:]))
    assert import_run(export_run(run)) == run
    assert export_run(run).isascii()


def test_the_document_has_the_pinned_parts() -> None:
    document = json.loads(export_run(RUN))
    assert document["schema"] == "shortlist-run"
    assert document["version"] == 1
    parts = "run candidates cells blocks samples scores annotations memory_points events choices"
    assert list(document)[2:] == parts.split()
    prompts = document["run"]["plan"]["suite"]["prompts"]
    assert [prompt["id"] for prompt in prompts] == ["n-001", "n-002", "n-003", "n-004"]
    assert len(document["cells"]) == 80


def test_a_number_that_json_lacks_becomes_null() -> None:
    run = replace(RUN, events=(replace(RUN.events[0], data={"x": float("nan")}),))
    assert import_run(export_run(run)).events[0].data == {"x": None}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(schema="other"), "schema"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.pop("samples"), "samples"),
        (lambda d: d.update(samples={}), "samples"),
        (lambda d: d["samples"][3].update(due_ns="soon"), "samples[3].due_ns"),
        (lambda d: d["samples"][3].update(status="fine"), "samples[3].status"),
        (lambda d: d["samples"][2]["chunks"][1].update(kind="noise"), "samples[2].chunks[1].kind"),
        (lambda d: d["samples"][1].update(id=d["samples"][0]["id"]), "samples[1]"),
        (lambda d: d["samples"][1].update(block="nowhere"), "samples[1].block"),
        (lambda d: d["samples"][1].update(cell="nowhere"), "samples[1].cell"),
        (lambda d: d["samples"][2].update(cell=d["samples"][1]["cell"]), "samples[2].is_accepted"),
        (lambda d: d["blocks"][0].update(candidate="nobody"), "blocks[0].candidate"),
        (lambda d: d["scores"][0].update(sample="nowhere"), "scores[0].sample"),
        (lambda d: d["memory_points"].append(d["memory_points"][0]), "memory_points[12]"),
        (lambda d: d["events"].append(d["events"][0]), "events[1]"),
        (lambda d: d["run"].pop("plan"), "run.plan"),
        (lambda d: d["run"].update(id="../../../etc"), "run.id"),
        (lambda d: d["candidates"][0].update(id="../x"), "candidates[0].id"),
        (lambda d: d["run"]["plan"]["suite"].pop("prompts"), "run.plan.suite"),
        (lambda d: d["run"]["plan"]["blocks"][0]["cells"].append("x"), "run.plan.blocks[0].cells"),
        (lambda d: d["run"]["plan"]["blocks"].pop(), "cells"),
        (lambda d: d["run"].update(started_at=3), "run.started_at"),
        (lambda d: d["candidates"][0].update(variant=None), "candidates[0].variant"),
    ],
)
def test_a_wrong_document_names_the_place(change: Callable[[dict[str, Any]], object], place: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        import_run(changed(change), "mine.json")
    assert caught.value.place == place
    assert caught.value.file == "mine.json"
    assert caught.value.expected


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[]", b"3", b'{"schema": "shortlist-run"', b"[" * 100_000])
def test_bytes_that_are_no_document_are_a_clear_error(data: bytes) -> None:
    with pytest.raises(InvalidFile):
        import_run(data)


def test_cutting_the_document_anywhere_is_a_clear_error() -> None:
    whole = export_run(make_run(Shape(rounds=1, prompts=("n-001",)))).rstrip()
    for length in range(0, len(whole), 97):
        with pytest.raises(InvalidFile):
            import_run(whole[:length])


# --- golden -----------------------------------------------------------------------------------------------------------


def test_two_runs_of_one_plan_have_one_golden_form() -> None:
    again = make_run(Shape(seed=99))
    renamed = replace(
        again,
        info=replace(again.info, id="another", name="again", started_at="2027", state="interrupted", flags=()),
        samples=tuple(replace(s, id=f"x{s.id}", block=f"x{s.block}") for s in reversed(again.samples)),
        scores=tuple(replace(score, sample=f"x{score.sample}") for score in again.scores),
    )
    assert export_golden(renamed) == export_golden(RUN)
    assert export_run(again) != export_run(RUN)


def test_the_golden_form_has_texts_digests_and_scores_and_no_durations() -> None:
    text = export_golden(RUN).decode()
    document = json.loads(text)
    assert "_ns" not in text.replace("timeout_ns", "").replace("due_offset_ns", "")
    assert RUN.info.id not in text
    assert "2026-11-02" not in text
    assert len(document["answers"]) == 80
    first = document["answers"][0]
    assert (first["candidate"], first["prompt"], first["round"], first["status"]) == ("broken", "n-001", 1, "failed")
    scored = [answer for answer in document["answers"] if answer["scores"]]
    assert scored[0]["scores"]["facets"]["value"] == 0.75
    assert all(file["sha256"] for one in document["candidates"] for file in one["variant"]["files"])


def test_another_answer_changes_few_lines_of_the_golden_form() -> None:
    position = next(n for n, sample in enumerate(RUN.samples) if sample.is_accepted)
    samples = list(RUN.samples)
    samples[position] = replace(samples[position], text="something else")
    before, after = export_golden(RUN).splitlines(), export_golden(replace(RUN, samples=tuple(samples))).splitlines()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
