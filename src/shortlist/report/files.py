"""Reports as files: each appears whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shortlist.errors import BadInput, StoreError
from shortlist.report.csv import render_csv
from shortlist.report.document import render_json
from shortlist.report.markdown import render_markdown
from shortlist.results.figures import RunSummary

_RENDERERS: dict[str, Callable[[RunSummary], str]] = {"md": render_markdown, "csv": render_csv, "json": render_json}


def write_report(
    summary: RunSummary, out_dir: Path, formats: Sequence[str] = ("md", "csv", "json")
) -> tuple[Path, ...]:
    """Write `report.<format>` each; the paths. Raises BadInput for an unknown format, StoreError where it cannot."""
    unknown = [name for name in formats if name not in _RENDERERS]
    if unknown:
        raise BadInput(f"no report is written as {unknown[0]!r}", hint=f"--format {','.join(_RENDERERS)}")
    contents = [(out_dir / f"report.{name}", _RENDERERS[name](summary)) for name in dict.fromkeys(formats)]
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for path, content in contents:
            _write_whole(path, content.encode("utf-8"))
    except OSError as error:
        raise StoreError(f"{out_dir}: the report cannot be written: {error.strerror}", hint="--out FOLDER") from error
    return tuple(path for path, _ in contents)


def _write_whole(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
