"""What is pinned stays, also where two processes pin at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shortlist.models.pins import Pin, load_pins, record, replace_pin


def test_a_first_contact_stays_until_it_is_replaced(tmp_path: Path) -> None:
    first, second = Pin("a" * 40, "2026-11-26T12:00:00.000Z"), Pin("b" * 40, "2026-11-27T12:00:00.000Z")
    assert record(tmp_path, "o/r", first) == first
    assert record(tmp_path, "o/r", second) == first
    assert replace_pin(tmp_path, "o/r", second) == load_pins(tmp_path)["o/r"] == second


def test_contacts_at_once_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(tmp_path, f"o/r{number}", Pin("c" * 40, "now")), range(40)))
    assert len(load_pins(tmp_path)) == 40
