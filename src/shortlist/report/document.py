"""`report.json`: the summary for programs, in the envelope that every `--json` has."""

import json
from typing import Any

from shortlist.records import to_builtins
from shortlist.results.figures import RunSummary

SCHEMA = "shortlist-report"
VERSION = 1


def report_document(summary: RunSummary) -> dict[str, Any]:
    """Schema, version, data and warnings; durations are nanoseconds, a null is "not measured"."""
    data = to_builtins(summary)
    return {"schema": SCHEMA, "version": VERSION, "data": data, "warnings": data.pop("warnings")}


def render_json(summary: RunSummary) -> str:
    """The document as ASCII JSON: nothing that a model wrote stands in it unescaped."""
    return json.dumps(report_document(summary), indent=1, allow_nan=False) + "\n"
