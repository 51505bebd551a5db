"""Every engine keeps every promise, or says why not and refuses clearly; results.json, which the docs show, is true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.cases import CASES, Case
from conformance.results import RESULTS, Results
from conformance.stand import Stand
from conformance.subjects import SUBJECTS
from shortlist.demo import demo_model_path


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.is_slow) for case in CASES]
)
def test_a_promise_is_kept(stand: Stand, case: Case, results: Results) -> None:
    reason = stand.subject.cannot.get(case.name)
    if reason is None:
        case.check(stand)
        results.take(stand, case, "yes")
        return
    assert reason
    assert case.refuse is not None, f"no engine may leave out {case.name}"
    case.refuse(stand)
    results.take(stand, case, f"refused: {reason}")


def test_the_results_cover_every_engine_and_case() -> None:
    """In silence nothing is left out of the table, and no promise in it reads otherwise than in the suite."""
    committed = json.loads(RESULTS.read_text())
    assert committed["cases"] == {case.name: case.title for case in CASES}
    expected = {name: [case.name for case in CASES] for name in SUBJECTS}
    assert {name: list(told["results"]) for name, told in committed["engines"].items()} == expected


@pytest.mark.slow
def test_an_engine_of_a_user_is_examined_alike() -> None:
    """Ours plays the part of one that nobody has told the suite about."""
    model = ["--engine", "llamacpp", "--engine-model", str(demo_model_path("notes-small"))]
    told = ["--engine-cannot", "embeddings=none here", "-k", "greedy or embeddings or cancel", "-p", "no:cacheprovider"]
    argv = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent), *model, *told]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for line in ("greedy       yes", "embeddings   refused: none here", "cancel       failed, or not run"):
        assert line in done.stdout
    assert "does not say how many tokens it decoded" in done.stdout
