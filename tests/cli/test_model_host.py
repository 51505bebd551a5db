"""The room that models are judged against: what a service or a bench has loaded here is taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from shortlist import settings as settings_file
from shortlist.cli.model_host import host_here
from shortlist.ledger import Ledger, Loaded, own_page

GB = 10**9


def test_what_is_loaded_on_this_host_is_taken_from_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shortlist.ledger.shared_folder", lambda: tmp_path)
    settings = settings_file.load().with_flags({"memory_limit": "3GB"})
    assert host_here(settings).room.bytes <= 3 * GB
    page = own_page("service", "a service")
    Ledger().post(replace(page, loads=(Loaded("a", 2 * GB, "measured", GB // 2),)))
    assert host_here(settings).room.bytes <= GB
    Ledger().post(replace(page, loads=(Loaded("a", 4 * GB, "measured"),)))
    assert host_here(settings).room.bytes == 0
