"""`shortlist init`: what it writes works as it is, and nothing of the user's is overwritten."""

import tomllib
from pathlib import Path

from cli.commands import shortlist
from shortlist.choose.needsfile import load_needs
from shortlist.models.listing import load_listing
from shortlist.quality.prompts import load_prompts


def test_the_three_files_are_read_by_what_reads_them(tmp_path: Path) -> None:
    done = shortlist("init", "start", cwd=tmp_path)
    assert done.code == 0
    folder = tmp_path / "start"
    assert len(load_prompts(folder / "prompts.json")) == 30
    listing = load_listing(folder / "models.json")
    assert listing.prompts == folder / "prompts.json"
    assert len(listing.entries) == 3
    needs = load_needs(folder / "needs.toml")
    assert len(needs.needs) == 3
    assert needs.prefer == ("quality", "latency")
    assert tomllib.loads((folder / "needs.toml").read_text())["margins"]["speed"] == 0.05
    plan = shortlist("bench", "--models", "start/models.json", "--plan", cwd=tmp_path)
    assert plan.code == 0, plan.err
    assert "3 candidates × 30 prompts × 5 rounds = 450 requests" in plan.err


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "needs.toml").write_text("mine")
    done = shortlist("init", cwd=tmp_path)
    assert done.code == 2
    assert "is there already" in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["needs.toml"]
