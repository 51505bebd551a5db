"""Terminal, Markdown, CSV and JSON: golden texts, and nothing that strangers wrote does anything."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from report.strangers import NASTY
from results.made_run import make_run
from shortlist.errors import BadInput, StoreError
from shortlist.records import CandidateResult, Run, SampleError
from shortlist.report.csv import render_csv
from shortlist.report.document import render_json
from shortlist.report.escape import is_ascii_wanted
from shortlist.report.files import write_report
from shortlist.report.markdown import render_markdown
from shortlist.report.terminal import print_summary, summary_lines
from shortlist.results.figures import RunSummary
from shortlist.results.summary import summarise

HERE = Path(__file__).parent
RUN = make_run()
SUMMARY = summarise(RUN)
SEED = ["model", "rounds", "latency_avg", "latency_p95", "tokens_per_sec_avg", "sample"]


def printed(summary: RunSummary, *, is_ascii: bool = False, width: int = 80) -> str:
    file = io.StringIO()
    print_summary(summary, file, is_ascii=is_ascii, width=width)
    return file.getvalue()


def golden(name: str, text: str) -> None:
    path = HERE / "golden" / name
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_bytes().decode("utf-8"), f"WRITE_GOLDEN=1 renews {path}, then read the difference"


def test_the_terminal_table_is_as_it_was() -> None:
    golden("terminal.txt", printed(SUMMARY))


def test_the_plain_terminal_table_is_as_it_was() -> None:
    golden("terminal-ascii.txt", printed(SUMMARY, is_ascii=True))


def test_the_markdown_report_is_as_it_was() -> None:
    golden("report.md", render_markdown(SUMMARY))


def test_the_csv_report_is_as_it_was() -> None:
    golden("report.csv", render_csv(SUMMARY))


def test_plain_output_is_ascii_and_keeps_every_word() -> None:
    text = printed(SUMMARY, is_ascii=True)
    assert text.isascii()
    for word in ("ok", "failed", "skipped", "equivalent", "worse", "withheld"):
        assert word in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_no_line_is_wider_than_asked(width: int, is_ascii: bool) -> None:
    candidates = [replace(one, label=f"a-rather-long-model-name-{one.label}@q4_0") for one in SUMMARY.candidates]
    for summary in (SUMMARY, replace(SUMMARY, candidates=tuple(candidates))):
        for line in summary_lines(summary, is_ascii=is_ascii, width=width):
            assert line.cell_len <= width


def test_long_names_lose_their_middle_and_stay_apart() -> None:
    labels = [f"a-rather-long-model-name-of-some-maker-{n}@q{n}_0" for n in range(5)]
    candidates = [replace(one, label=label) for one, label in zip(SUMMARY.candidates, labels, strict=True)]
    text = printed(replace(SUMMARY, candidates=tuple(candidates), comparisons=()))
    for n in range(5):
        assert re.search(rf"^  a-rather.*….*@q{n}_0", text, re.MULTILINE)


def test_an_encoding_without_our_signs_gives_ascii(tmp_path: Path) -> None:
    for encoding, expected in (("ascii", True), ("latin-1", True), ("utf-8", False)):
        with (tmp_path / encoding).open("w", encoding=encoding) as file:
            assert is_ascii_wanted(file) is expected
            print_summary(SUMMARY, file)
        assert "tiny" in (tmp_path / encoding).read_text(encoding=encoding)


def test_a_file_gets_no_colour_even_of_our_own() -> None:
    assert "\x1b" not in printed(SUMMARY)


def test_a_summary_without_numbers_is_printed() -> None:
    empty = summarise(replace(RUN, blocks=(), samples=(), memory_points=(), events=(), executors=()))
    assert "0 of 20 measured" in printed(empty)
    assert "Nothing was measured" in render_markdown(empty)
    assert len(list(csv.DictReader(io.StringIO(render_csv(empty))))) == 5
    bare = replace(empty, candidates=(), prompts=(), comparisons=())
    assert printed(bare)
    assert render_markdown(bare)
    assert next(csv.reader(io.StringIO(render_csv(bare)))) == SEED


# --- strangers' text --------------------------------------------------------------------------------------------------


def hostile(text: str) -> Run:
    """The text in every place that a stranger can write to."""
    error = SampleError(text or "E", text)
    samples = tuple(
        replace(s, text=text, reasoning=text, finish_reason=text, error=error if s.error else None) for s in RUN.samples
    )
    suite = RUN.info.plan.suite
    prompts = tuple(replace(p, messages=(replace(p.messages[0], content=text),)) for p in suite.prompts)
    plan = replace(RUN.info.plan, suite=replace(suite, prompts=prompts))
    candidates = tuple(replace(c, label=f"{text}{n}") for n, c in enumerate(plan.candidates))
    plan = replace(plan, candidates=candidates)
    skipped = (CandidateResult("x", text, "skipped", text),)
    host = {"cpu": text, f"k{text}": 1}
    return replace(
        RUN,
        info=replace(RUN.info, plan=plan, name=text or None, skipped=skipped, flags=(text,)),
        samples=samples,
        blocks=tuple(replace(b, error=error if b.error else None) for b in RUN.blocks),
        events=(replace(RUN.events[0], data={"message": text}),),
        executors=(replace(RUN.executors[0], host=host, versions={"engine": text}),),
    )


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_strangers_wrote_leaves_as_a_control_or_bidirectional_character(text: str) -> None:
    summary = summarise(hostile(text))
    outputs = [printed(summary), printed(summary, is_ascii=True), render_markdown(summary), render_csv(summary)]
    for output in [*outputs, render_json(summary)]:
        output.encode("utf-8")
        unseen = {c for c in output if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
        assert unseen <= {"\n", "\r", "\t"}
        assert "\r" not in output.replace("\r\n", "")


def outside_blocks(markdown: str) -> str:
    """What a reader of Markdown would interpret: everything that is not inside a fence."""
    kept, fence = [], None
    for line in markdown.split("\n"):
        opened = re.match(r"^(`{3,})text$", line)
        if fence is None and opened:
            fence = opened[1]
        elif fence is not None and re.fullmatch(rf"`{{{len(fence)},}}\s*", line):
            fence = None
        elif fence is None:
            kept.append(line)
    assert fence is None, "a block was left open"
    return "\n".join(kept)


@pytest.mark.parametrize("text", NASTY)
def test_markdown_shows_answers_as_plain_text_side_by_side_and_keeps_its_tables(text: str) -> None:
    outside = outside_blocks(render_markdown(summarise(hostile(text))))
    assert "<" not in outside.replace("<br>", "")  # a line's end is the only mark of ours inside an answer
    assert ("<br>" in text) <= ("&lt;br>" in outside)
    assert "](" not in outside.replace("\\]", "")
    assert not re.search(r"(?<!\\)://", outside)
    headings = [line for line in outside.split("\n") if line.startswith("#")]
    assert len(headings) == len([line for line in render_markdown(SUMMARY).split("\n") if line.startswith("#")])
    for table in re.findall(r"(?:^\|.*\|$\n?)+", outside, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.strip().split("\n")}
        assert len(columns) == 1


@pytest.mark.parametrize("text", NASTY)
def test_csv_reads_back_as_its_columns_with_no_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(render_csv(summarise(hostile(text))), newline="")))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 6
    for row in rows[1:]:
        for head, cell in zip(rows[0], row, strict=True):
            if head in ("model", "sample", "reason", "engine"):
                assert cell.lstrip()[:1] not in set("=+-@|%")


@pytest.mark.parametrize("text", NASTY)
def test_json_gives_back_what_was_written_and_is_ascii(text: str) -> None:
    rendered = render_json(summarise(hostile(text)))
    assert rendered.isascii()
    assert json.loads(rendered)["data"]["prompts"][0]["answers"][0]["text"] == text


# --- files ------------------------------------------------------------------------------------------------------------


def test_csv_begins_with_the_workshops_columns_in_seconds() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(SUMMARY))))
    assert list(rows[0])[:7] == [*SEED, "status"]
    assert "total_tokens_per_sec_avg" in rows[0]
    assert 0.19 < float(rows[0]["latency_avg"]) < 0.21
    assert rows[3]["latency_avg"] == ""
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed", "skipped"]


def test_json_has_the_envelope_of_every_json_output() -> None:
    document = json.loads(render_json(SUMMARY))
    assert list(document) == ["schema", "version", "data", "warnings"]
    assert (document["schema"], document["version"]) == ("shortlist-report", 1)
    assert document["warnings"] == ["3 requests disturbed (apt, 1.4 cores)"]
    assert document["data"]["candidates"][0]["figures"]["latency.mean"]["unit"] == "ns"


def test_the_reports_are_written_whole_and_written_over(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    for _ in range(2):
        paths = write_report(SUMMARY, out)
        assert [path.name for path in paths] == ["report.html", "report.md", "report.csv", "report.json"]
        assert sorted(path.name for path in out.iterdir()) == ["report.csv", "report.html", "report.json", "report.md"]
    assert (out / "report.md").read_text(encoding="utf-8") == render_markdown(SUMMARY)
    assert (out / "report.csv").read_bytes().decode() == render_csv(SUMMARY)


def test_a_format_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="docx"):
        write_report(SUMMARY, tmp_path, ["md", "docx"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(SUMMARY, tmp_path / "file" / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.md").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(SUMMARY, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.md"]


def test_rich_is_imported_by_the_terminal_alone() -> None:
    code = "import shortlist.report.files, shortlist.report.wording, sys; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
