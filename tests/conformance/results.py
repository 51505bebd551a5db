"""What the suite found, held against what is committed and shown in the docs."""

import json
from pathlib import Path
from typing import Any

from conformance.cases import CASES, Case
from conformance.stand import Stand
from conformance.subjects import SUBJECTS

RESULTS = Path(__file__).with_name("results.json")


class Results:
    """What is committed, what was found, and what differs."""

    def __init__(self, *, is_kept: bool, is_ours: bool) -> None:
        self.committed: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        self.found: dict[str, dict[str, Any]] = {}
        self.is_kept, self.is_ours = is_kept, is_ours

    def take(self, stand: Stand, case: Case, result: str) -> None:
        """Note a result. One of ours must be what is committed, unless that is to be written."""
        name = stand.subject.name
        version = None if stand.subject.is_ours else stand.shared.endpoint.engine_version
        self.found.setdefault(name, {"version": version, "results": {}})["results"][case.name] = result
        if self.is_kept or not self.is_ours:
            return
        known = self.committed["engines"].get(name, {"version": None, "results": {}})
        committed = (known["version"], known["results"].get(case.name))
        hint = f"{RESULTS.name} has {committed}: python -m pytest tests/conformance --write-results -m ''"
        assert (version, result) == committed, hint

    def write(self) -> None:
        """Put what was found over what is committed; results of another version of an engine are dropped."""
        known, kept = self.committed.get("engines", {}), {}
        for name in SUBJECTS:
            old, new = known.get(name, {"version": None, "results": {}}), self.found.get(name)
            is_same = new is None or new["version"] == old["version"]
            merged = (old["results"] if is_same else {}) | (new["results"] if new else {})
            version = new["version"] if new else old["version"]
            kept[name] = {"version": version, "results": {c.name: merged[c.name] for c in CASES if c.name in merged}}
        content = {"cases": {case.name: case.title for case in CASES}, "engines": kept}
        RESULTS.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
