"""Files as runs: our own exports, and what other tools wrote, recognised by what stands in them."""

import json
from collections.abc import Sequence
from typing import Any

from shortlist.errors import BadInput, InvalidFile
from shortlist.records import Run
from shortlist.results.export import import_run
from shortlist.results.guidellm import guidellm_runs
from shortlist.results.guidellm_file import Report, is_guidellm, read_report


def read_runs(files: Sequence[tuple[str, bytes]], name: str | None = None) -> tuple[Run, ...]:
    """The runs in these files (name, content). GuideLLM's benchmarks of one load, in whatever file, are rounds of one.

    `name` is for what another tool measured: our own exports have theirs. Raises InvalidFile, BadInput.
    """
    runs: list[Run] = []
    reports: list[tuple[str, Report]] = []
    for file, data in files:
        document = _decoded(data, file)
        if is_guidellm(document):
            reports.append((file, read_report(document, file)))
        else:
            runs.append(import_run(data, file))
    if name is not None and not reports:
        raise BadInput("a run that Shortlist exported has its name already", hint="leave --name out")
    return (*runs, *guidellm_runs(reports, name))


def _decoded(data: bytes, file: str) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise InvalidFile(file, "", "nested too deeply to be a run") from None
    except ValueError as error:
        raise InvalidFile(file, "", f"not JSON: {error}") from None
