"""What a plan frees is what the disk gains, and what others may reach stays."""

import fcntl
import os
from pathlib import Path

import pytest
from huggingface_hub import scan_cache_dir

from models.hf_cache import FIRST, SECOND, lay_out, on_disk, unfinished
from shortlist.models.hubcache import scan
from shortlist.models.pins import Pin
from shortlist.models.prune import Item, Plan, carry_out, plan_files, plan_prune, plan_repository

OLD, NEW, SAME = b"old" * 500, b"new" * 700, b"{}"


def two_revisions(root: Path) -> Path:
    lay_out(root, "o/r", {"m.gguf": OLD, "config.json": SAME}, FIRST, ref=None)
    return lay_out(root, "o/r", {"m.gguf": NEW, "config.json": SAME}, SECOND)


def carried_out(plan: Plan) -> list[str | None]:
    return [problem for _, problem in carry_out(plan)]


def test_a_blob_that_revisions_share_counts_once(tmp_path: Path) -> None:
    two_revisions(tmp_path)
    (found,) = scan(tmp_path)
    assert found.size_bytes == len(OLD) + len(NEW) + len(SAME)
    assert found.is_complete


def test_by_default_only_what_no_program_can_reach_goes(tmp_path: Path) -> None:
    folder = two_revisions(tmp_path)
    unfinished(folder, 1000)
    (folder / "blobs" / ("e" * 64)).write_bytes(b"y" * 77)
    before = on_disk(tmp_path)
    plan = plan_prune(tmp_path, scan(tmp_path), {})
    assert sorted(item.kind for item in plan.items) == ["unfinished", "unlinked"]
    assert plan.frees_bytes == 1077
    assert any("old revision" in line and f"{len(OLD):,} bytes" in line for line in plan.left), "what it leaves is told"
    assert on_disk(tmp_path) == before, "a plan deletes nothing"
    assert carried_out(plan) == [None, None]
    assert sum(before.values()) - sum(on_disk(tmp_path).values()) == plan.frees_bytes


def test_an_old_revision_goes_when_asked_for_with_only_the_blobs_that_are_its_own(tmp_path: Path) -> None:
    folder = two_revisions(tmp_path)
    plan = plan_prune(tmp_path, scan(tmp_path), {}, with_revisions=True)
    assert [item.frees_bytes for item in plan.items] == [len(OLD)]
    assert carried_out(plan) == [None]
    (left,) = scan(tmp_path)
    assert left.revisions == (SECOND,)
    assert left.is_complete
    assert (folder / "snapshots" / SECOND / "m.gguf").read_bytes() == NEW


def test_a_revision_that_a_pin_of_ours_needs_stays(tmp_path: Path) -> None:
    two_revisions(tmp_path)
    plan = plan_prune(tmp_path, scan(tmp_path), {"o/r": Pin(FIRST, "2026-11-26")}, with_revisions=True)
    assert plan.items == ()


@pytest.mark.parametrize("why", ["young", "locked"])
def test_a_download_that_may_be_going_on_is_left_alone(tmp_path: Path, why: str) -> None:
    folder = two_revisions(tmp_path)
    unfinished(folder, 10, age_s=5 if why == "young" else 7200)
    lock = tmp_path / ".locks" / folder.name / f"{'d' * 64}.lock"
    lock.parent.mkdir(parents=True)
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR)
    try:
        if why == "locked":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        plan = plan_prune(tmp_path, scan(tmp_path), {})
    finally:
        os.close(descriptor)
    assert plan.items == ()
    assert any("half download" in line for line in plan.left)


def test_an_end_at_any_deletion_leaves_no_link_to_nothing(tmp_path: Path) -> None:
    two_revisions(tmp_path)
    (item,) = plan_prune(tmp_path, scan(tmp_path), {}, with_revisions=True).items
    for count in range(len(item.paths) + 1):
        root = tmp_path / f"try{count}"
        two_revisions(root)
        (again,) = plan_prune(root, scan(root), {}, with_revisions=True).items
        carried_out(Plan((Item(again.kind, again.name, again.why, 0, root, again.paths[:count]),)))
        (left,) = scan(root)
        assert left.is_complete
        freed = plan_prune(root, scan(root), {}, with_revisions=True).frees_bytes
        assert freed == (0 if count == len(item.paths) else len(OLD)), "what is left over is found the next time"


def test_one_file_goes_and_its_repository_stays_while_it_has_other_weights(tmp_path: Path) -> None:
    lay_out(tmp_path, "o/r", {"a.gguf": OLD, "b.gguf": NEW, "README.md": b"words"})
    (found,) = scan(tmp_path)
    plan = plan_files(tmp_path, found, ["a.gguf"])
    assert plan.frees_bytes == len(OLD)
    assert carried_out(plan) == [None]
    (left,) = scan(tmp_path)
    assert {link.name for link in left.links} == {"b.gguf", "README.md"}
    last = plan_files(tmp_path, left, ["b.gguf"])
    assert [item.kind for item in last.items] == ["repository"], "with the last weights the rest goes too"
    assert carried_out(last) == [None]
    assert scan(tmp_path) == []


def test_a_file_that_shares_its_blob_with_another_name_frees_nothing(tmp_path: Path) -> None:
    lay_out(tmp_path, "o/r", {"a.gguf": OLD, "b.gguf": OLD})
    (found,) = scan(tmp_path)
    plan = plan_files(tmp_path, found, ["a.gguf"])
    assert plan.frees_bytes == 0
    assert carried_out(plan) == [None]
    assert scan(tmp_path)[0].is_complete


def test_a_link_that_leads_out_takes_nothing_outside_with_it(tmp_path: Path) -> None:
    outside = tmp_path / "mine"
    outside.mkdir()
    (outside / "precious.gguf").write_bytes(b"z" * 9)
    root = tmp_path / "hub"
    folder = lay_out(root, "o/r", {"m.gguf": OLD})
    (folder / "snapshots" / FIRST / "out.gguf").symlink_to(outside / "precious.gguf")
    (folder / "snapshots" / FIRST / "way").symlink_to(outside)
    (root / "models--o--linked").symlink_to(outside)
    for repository in scan(root):
        carried_out(plan_repository(root, repository))
    assert (outside / "precious.gguf").read_bytes() == b"z" * 9
    bad = Item("file", "x", "x", 0, root, (root / ".." / "mine" / "precious.gguf",))
    assert "leads out" in str(carried_out(Plan((bad,)))[0])
    assert (outside / "precious.gguf").exists()


def test_a_folder_that_a_xet_download_left_is_half_a_download_too(tmp_path: Path) -> None:
    folder = two_revisions(tmp_path)
    aside = folder / "blobs" / f"{'f' * 64}.xet"
    aside.mkdir()
    (aside / "part").write_bytes(b"p" * 321)
    os.utime(aside, (1, 1))
    plan = plan_prune(tmp_path, scan(tmp_path), {})
    assert [(item.kind, item.frees_bytes) for item in plan.items] == [("unfinished", 321)]
    assert carried_out(plan) == [None]
    assert not aside.exists()


def test_a_link_into_another_repository_takes_nothing_of_that_one(tmp_path: Path) -> None:
    other = lay_out(tmp_path, "o/other", {"precious.gguf": NEW})
    folder = lay_out(tmp_path, "o/r", {"m.gguf": OLD, "n.gguf": SAME})
    (folder / "snapshots" / FIRST / "x.gguf").symlink_to(other / "snapshots" / FIRST / "precious.gguf")
    found = next(one for one in scan(tmp_path) if one.name == "o/r")
    assert carried_out(plan_files(tmp_path, found, ["x.gguf", "m.gguf"])) == [None, None]
    assert (other / "snapshots" / FIRST / "precious.gguf").read_bytes() == NEW


def test_huggingface_hub_itself_reads_the_same_and_has_nothing_to_complain_of_after_us(tmp_path: Path) -> None:
    two_revisions(tmp_path)
    lay_out(tmp_path, "o/second", {"a.gguf": OLD, "b.gguf": NEW, "config.json": SAME})
    theirs = scan_cache_dir(tmp_path)
    assert {one.repo_id: one.size_on_disk for one in theirs.repos} == {
        one.name: one.size_bytes for one in scan(tmp_path)
    }
    first, second = scan(tmp_path)
    items = (
        *plan_prune(tmp_path, [first], {}, with_revisions=True).items, *plan_files(tmp_path, second, ["a.gguf"]).items
    )  # fmt: skip
    assert carried_out(Plan(items)) == [None, None]
    after = scan_cache_dir(tmp_path)
    assert not after.warnings
    assert theirs.size_on_disk - after.size_on_disk == Plan(items).frees_bytes
