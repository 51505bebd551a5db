"""What every test shares: no setting of the person who runs them, and helpers importable by name."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
settings.register_profile("untimed", deadline=None)  # no test asserts how long something took
settings.load_profile("untimed")
sys.path[:0] = [str(HERE), str(HERE.parent / "benchmarks")]


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own, and none of the variables that change what Shortlist does."""
    for name in list(os.environ):
        if name.startswith(("SHORTLIST_", "BENCH_", "FOUNDRY_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHORTLIST_SELFTEST", "off")  # two seconds a bench; the tests that are about it switch it on
    monkeypatch.setenv("SHORTLIST_HOME", str(tmp_path_factory.mktemp("home")))
