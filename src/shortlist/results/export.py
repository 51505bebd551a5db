"""A run as one JSON document, out and in again.

`run` holds the manifest with suite, looks, executors and the plan's blocks (by cell id); candidates, cells and all that
was measured stand beside it. Paths of models are not in a `Run`, so they cannot be exported. The document is ASCII:
whatever a model wrote comes back as it was.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shortlist.errors import InvalidFile
from shortlist.records import (
    SCHEMA_VERSION,
    Annotation,
    Block,
    Candidate,
    Cell,
    Choice,
    Event,
    Executor,
    Json,
    Look,
    MemoryPoint,
    Plan,
    PlannedBlock,
    Race,
    Run,
    RunInfo,
    Sample,
    Score,
    Suite,
    from_builtins,
    to_builtins,
)
from shortlist.results.rows import finite

SCHEMA = "shortlist-run"

T = TypeVar("T")

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTENT_ID = re.compile(r"[0-9a-f]{16}")


def export_run(run: Run) -> bytes:
    """The document; the same run gives the same bytes."""
    info, plan = run.info, run.info.plan
    manifest = {name: to_builtins(getattr(info, name)) for name in info.__slots__ if name != "plan"}
    blocks = [
        {"candidate": block.candidate, "round": block.round, "cells": [cell.id for cell in block.cells]}
        for block in plan.blocks
    ]
    manifest["plan"] = {"suite": to_builtins(plan.suite), "looks": to_builtins(plan.looks), "blocks": blocks}
    if plan.race is not None:
        manifest["plan"]["race"] = to_builtins(plan.race)
    manifest["executors"] = to_builtins(run.executors)
    document = {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "run": manifest,
        "candidates": to_builtins(plan.candidates),
        "cells": to_builtins(plan.cells),
        "blocks": to_builtins(run.blocks),
        "samples": to_builtins(run.samples),
        "scores": to_builtins(run.scores),
        "annotations": to_builtins(run.annotations),
        "memory_points": to_builtins(run.memory_points),
        "events": to_builtins(run.events),
        "choices": to_builtins(run.choices),
    }
    return json.dumps(finite(document), indent=1).encode("ascii") + b"\n"


def import_run(data: bytes, file: Path | str = "the run to import") -> Run:
    """The run of a document. Raises InvalidFile, which names the file, the place inside it and what was expected."""
    return _Reader(file).run(data)


class _Reader:
    def __init__(self, file: Path | str) -> None:
        self._file = file

    def run(self, data: bytes) -> Run:
        document = self._document(data)
        manifest = self._one(document, "run", Json, "")
        plan = self._one(manifest, "plan", Json, "run.")
        candidates = self._many(document, "candidates", Candidate)
        cells = self._many(document, "cells", Cell)
        info = self._info(manifest, plan, candidates, cells)
        run = Run(
            info=info,
            executors=self._many(manifest, "executors", Executor, "run."),
            blocks=self._many(document, "blocks", Block),
            samples=self._many(document, "samples", Sample),
            memory_points=self._many(document, "memory_points", MemoryPoint),
            events=self._many(document, "events", Event),
            scores=self._many(document, "scores", Score),
            annotations=self._many(document, "annotations", Annotation),
            choices=self._many(document, "choices", Choice),
        )
        self._check(run)
        return run

    def _document(self, data: bytes) -> Json:
        try:
            document = json.loads(data)
        except RecursionError as error:
            raise self._invalid("", "nested too deeply to be a run") from error
        except ValueError as error:
            raise self._invalid("", f"not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise self._invalid("schema", f"expected {SCHEMA!r}, as `shortlist runs export` writes it")
        if document.get("version") != SCHEMA_VERSION:
            raise self._invalid("version", f"expected {SCHEMA_VERSION}, found {document.get('version')!r}")
        return document

    def _info(self, manifest: Json, plan: Json, candidates: tuple[Candidate, ...], cells: tuple[Cell, ...]) -> RunInfo:
        by_id = {cell.id: cell for cell in cells}
        blocks = []
        for position, block in enumerate(self._one(plan, "blocks", list[_BlockOfIds], "run.plan.")):
            missing = next((cell for cell in block.cells if cell not in by_id), None)
            if missing is not None:
                raise self._invalid(f"run.plan.blocks[{position}].cells", f"cell {missing!r} is not among the cells")
            blocks.append(PlannedBlock(block.candidate, block.round, tuple(by_id[cell] for cell in block.cells)))
        suite = self._one(plan, "suite", Suite, "run.plan.")
        looks = self._many(plan, "looks", Look, "run.plan.")
        race = self._one(plan, "race", Race, "run.plan.") if "race" in plan else None
        laid = Plan(suite, candidates, tuple(blocks), looks, race)
        if len(laid.cells) != len(cells):
            raise self._invalid("cells", f"{len(cells)} cells, and {len(laid.cells)} of them in the plan's blocks")
        empty = {"suite": {"prompts": []}, "candidates": [], "blocks": []}
        bare = self._convert({**manifest, "plan": empty}, RunInfo, "run")
        outer = {name: getattr(bare, name) for name in bare.__slots__ if name != "plan"}
        return RunInfo(plan=laid, **outer)

    def _one(self, holder: Json, name: str, kind: type[T], above: str) -> T:
        if name not in holder:
            raise self._invalid(f"{above}{name}", "is missing")
        return self._convert(holder[name], kind, f"{above}{name}")

    def _many(self, holder: Json, name: str, kind: type[T], above: str = "") -> tuple[T, ...]:
        values = self._one(holder, name, list[Any], above)
        return tuple(self._convert(value, kind, f"{above}{name}[{n}]") for n, value in enumerate(values))

    def _convert(self, value: Any, kind: type[T], place: str) -> T:
        try:
            return from_builtins(value, kind)
        except msgspec.ValidationError as error:
            expected, _, inside = str(error).partition(" - at `$")
            raise self._invalid(place + inside.rstrip("`"), expected) from error

    def _invalid(self, place: str, expected: str) -> InvalidFile:
        return InvalidFile(self._file, place, expected)

    def _check(self, run: Run) -> None:
        """Nothing twice that has a key, and nothing that refers to what is not there."""
        plan = run.info.plan
        if not _RUN_ID.fullmatch(run.info.id):
            raise self._invalid("run.id", "expected a UUID: folders are named after it")
        for position, candidate in enumerate(plan.candidates):
            if not _CONTENT_ID.fullmatch(candidate.id):
                raise self._invalid(f"candidates[{position}].id", "expected sixteen hex digits")
        candidates = self._unique("candidates", plan.candidates, lambda one: one.id)
        cells = self._unique("cells", plan.cells, lambda one: one.id)
        blocks = self._unique("blocks", run.blocks, lambda one: one.id)
        samples = self._unique("samples", run.samples, lambda one: one.id)
        self._unique("events", run.events, lambda one: (one.executor, one.sequence))
        self._unique("scores", run.scores, lambda one: (one.sample, one.scorer))
        self._unique(
            "annotations", run.annotations, lambda one: (one.output_sha256, one.rater, one.dimension, one.repeat)
        )
        self._unique("memory_points", run.memory_points, lambda one: (one.block, one.ns, one.phase))
        self._known("cells", "candidate", ((cell.candidate, candidates) for cell in plan.cells))
        self._known("blocks", "candidate", ((block.candidate, candidates) for block in run.blocks))
        self._known("samples", "block", ((sample.block, blocks) for sample in run.samples))
        self._known("samples", "cell", ((sample.cell, {*cells, None}) for sample in run.samples))
        self._known("memory_points", "block", ((point.block, blocks) for point in run.memory_points))
        self._known("scores", "sample", ((score.sample, samples) for score in run.scores))
        accepted: set[str] = set()
        for position, sample in enumerate(run.samples):
            if sample.is_accepted and sample.cell is not None:
                if sample.cell in accepted:
                    raise self._invalid(f"samples[{position}].is_accepted", f"cell {sample.cell} has an accepted one")
                accepted.add(sample.cell)

    def _unique(self, name: str, items: Iterable[T], key: Callable[[T], Any]) -> set[Any]:
        seen: set[Any] = set()
        for position, item in enumerate(items):
            if key(item) in seen:
                raise self._invalid(f"{name}[{position}]", f"{key(item)!r} is there twice")
            seen.add(key(item))
        return seen

    def _known(self, name: str, place: str, references: Iterable[tuple[Any, set[Any]]]) -> None:
        for position, (reference, known) in enumerate(references):
            if reference not in known:
                raise self._invalid(f"{name}[{position}].{place}", f"{reference!r} is nowhere in the file")


class _BlockOfIds(msgspec.Struct):
    candidate: str
    round: int
    cells: list[str]


# --- for version control --------------------------------------------------------------------------------------------


def export_golden(run: Run) -> bytes:
    """What repeats when a run is repeated: plan, digests, texts and scores; no durations, times or random ids.

    Sorted and indented, so that a change in one answer is a few changed lines.
    """
    plan = run.info.plan
    labels = {candidate.id: (candidate.label, candidate.id) for candidate in plan.candidates}
    cells = {cell.id: cell for cell in plan.cells}
    scores: dict[str, dict[str, Any]] = {}
    for score in sorted(run.scores, key=lambda one: one.scorer):
        scores.setdefault(score.sample, {})[score.scorer] = {"value": score.value, "parts": to_builtins(score.parts)}
    answers = [
        (
            labels[cell.candidate],
            cell.prompt,
            cell.round,
            cell.repeat,
            _golden(sample, scores.get(sample.id, {})),
        )
        for sample in run.samples
        if sample.is_accepted and (cell := cells.get(sample.cell or "")) is not None
    ]
    document = {
        "schema": "shortlist-golden",
        "version": SCHEMA_VERSION,
        "suite": to_builtins(plan.suite),
        "candidates": [to_builtins(one) for one in sorted(plan.candidates, key=lambda one: labels[one.id])],
        "answers": [
            {"candidate": label[0], "prompt": prompt, "round": number, "repeat": repeat, **answer}
            for label, prompt, number, repeat, answer in sorted(answers, key=lambda one: one[:4])
        ],
    }
    return json.dumps(finite(document), indent=1, sort_keys=True).encode("ascii") + b"\n"


def _golden(sample: Sample, scores: Mapping[str, Any]) -> Json:
    return {
        "status": sample.status,
        "finish_reason": sample.finish_reason,
        "text": sample.text,
        "reasoning": sample.reasoning,
        "text_sha256": sample.text_sha256,
        "scores": dict(scores),
    }
