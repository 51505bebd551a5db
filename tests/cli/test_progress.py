"""What a running bench prints: once what holds for every block, and in each block's line what became of it."""

from dataclasses import replace

import pytest

from results.loads import sample
from results.made_run import make_run
from shortlist.bench.again import STAYS_BUSY
from shortlist.bench.progress import BlockOver, Warned
from shortlist.cli.progress import LineProgress

RUN = make_run()
CANDIDATE, BLOCK = RUN.info.plan.candidates[0], replace(RUN.blocks[0], error=None, state="done")


def lines(capsys: pytest.CaptureFixture[str], *told: BlockOver | Warned) -> list[str]:
    progress = LineProgress(RUN.info.plan)
    for one in told:
        progress(one)
    return capsys.readouterr().err.splitlines()


def test_what_holds_for_every_block_is_said_once_and_what_is_done_about_a_disturbance_each_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    busy = [Warned(f"m: {count} requests disturbed (apt took 1.4 cores), of 30, {STAYS_BUSY}") for count in (30, 28)]
    other = Warned("m: 1 request disturbed (apt took 1.4 cores); measured again at the end")
    warm = Warned("m is loaded warm: another process has its file mapped")
    said = lines(capsys, busy[0], other, warm, busy[1], other, warm)
    assert [line.partition("warning: ")[2] for line in said] == [busy[0].text, other.text, warm.text, other.text]


def test_a_blocks_line_counts_what_stayed_disturbed_and_says_when_it_is_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = (sample(0, 100), replace(sample(100, 200), disturbance=("apt took 1.4 cores",)))
    kept, cut, quiet = lines(
        capsys,
        BlockOver(CANDIDATE, BLOCK, samples),
        BlockOver(CANDIDATE, replace(BLOCK, state="cut"), samples),
        BlockOver(CANDIDATE, BLOCK, samples[:1]),
    )
    assert kept.endswith("   ! 1 disturbed")
    assert cut.endswith("   run again")
    assert "disturbed" not in quiet
