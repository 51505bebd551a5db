"""The workshop's own benchmark script, unmodified: aliases on port 5273, loaded by themselves."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.conftest import ALIASES, clean_environment, models_file

HERE = Path(__file__).parent
SCRIPT = HERE / "workshop" / "benchmark_models.py"
AS_GIVEN = "e5f1a6091f449ded9b4074aae57dc364486eeb067b7154fb54be3a32b726b6bb"


@pytest.mark.clients
@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="a network of its own needs Linux")
def test_the_workshops_script_runs_as_it_is(python: Path, shim: Path, tmp_path: Path) -> None:
    assert hashlib.sha256(SCRIPT.read_bytes()).hexdigest() == AS_GIVEN
    alone = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    env = clean_environment(tmp_path, shim, SHORTLIST_HOME=str(tmp_path / "home"))
    done = subprocess.run(
        [*alone, sys.executable, HERE / "inside.py", models_file(tmp_path), SCRIPT, python], env=env, cwd=tmp_path,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "🟢 Service is Started on http://127.0.0.1:5273/, PID " in done.stderr
    told = json.loads(done.stdout[: done.stdout.index("]\n") + 1])
    assert [row["model"] for row in told] == list(ALIASES)
    for row in told:
        assert row["rounds"] == 3
        assert row["latency_avg"] > 0
        assert row["tokens_per_sec_avg"] > 0
        assert row["sample"].strip()
    assert "Interpretation Tips" in done.stdout
