"""`report.json`: the summary for programs, in the envelope that every `--json` has."""

import json
from typing import Any

from shortlist.choose.decision import Decision
from shortlist.records import to_builtins
from shortlist.results.figures import RunSummary

SCHEMA = "shortlist-report"
VERSION = 1


def report_document(summary: RunSummary, decision: Decision | None = None) -> dict[str, Any]:
    """Schema, version, data and warnings; durations are nanoseconds, a null is "not measured".

    `data.decision` comes first, null where nothing was decided; an end at infinity is null as well.
    """
    run = to_builtins(summary)
    warnings = run.pop("warnings")
    data = {"decision": None if decision is None else to_builtins(decision), **run}
    return {"schema": SCHEMA, "version": VERSION, "data": data, "warnings": warnings}


def render_json(summary: RunSummary, decision: Decision | None = None) -> str:
    """The document as ASCII JSON: nothing that a model wrote stands in it unescaped."""
    return json.dumps(report_document(summary, decision), indent=1, allow_nan=False) + "\n"
