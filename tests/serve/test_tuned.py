"""The service opens a model as it was tuned, where its settings leave that open."""

from pathlib import Path

import pytest

from shortlist import profiles
from shortlist.engines import installed_version
from shortlist.machine import default_threads
from shortlist.models.refs import resolve
from shortlist.profiles import Profile
from shortlist.records import EngineOptions
from shortlist.serve.opening import Openings
from shortlist.settings import Settings

MODEL = "notes-small"
TUNED = EngineOptions(threads=1, kv_type="f32", extra={"ubatch": "64"})


def opened(home: Path, **settings: object) -> EngineOptions:
    return Openings(Settings(home=home, **settings), home).find(MODEL).spec.options  # type: ignore[arg-type]


def test_a_profile_fills_what_the_settings_leave_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = opened(tmp_path)
    variant = resolve(MODEL).variant
    told = (profiles.this_host(), default_threads(), profiles.variant_digest(variant) or "")
    engine = ("llamacpp", installed_version("llamacpp") or "")
    named = (MODEL, "latency", "2026-11-26T12:00:00.000Z", "0123abcd")
    profiles.keep(tmp_path, Profile(*told, *engine, TUNED, *named, size_bytes=variant.size_bytes or 0))
    with caplog.at_level("INFO"):
        found = opened(tmp_path)
    assert (found.threads, found.kv_type, found.extra["ubatch"]) == (1, "f32", "64")
    assert plain.extra.items() <= found.extra.items()
    assert "the profile of 2026-11-26: threads=1, kv_type=f32" in caplog.text
    assert opened(tmp_path, threads=2).threads == 2
    assert opened(tmp_path, profile=False) == plain
