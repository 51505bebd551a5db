"""`shortlist model run`, as a user meets it: a prompt, a pipe, a schema, and a chat on a real terminal."""

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cli.commands import MAIN, Done, argv, environment, shortlist
from shortlist.engines import EngineContext, LoadSpec, find_engine
from shortlist.records import EngineOptions, Variant

NOTE = "Priya will send the budget by Friday."
ONE_THREAD = {"SHORTLIST_THREADS": "1"}


@pytest.mark.engine
def test_the_answer_goes_to_stdout_and_all_else_to_stderr(tmp_path: Path) -> None:
    done = shortlist("model", "run", "notes-large", "--prompt", NOTE, cwd=tmp_path, **ONE_THREAD)
    assert (done.code, done.out) == (0, "Decision: send the budget. Owner: Priya. Deadline: Friday.\n")
    assert "tok/s" in done.err


@pytest.mark.engine
def test_what_is_piped_in_is_the_question_or_stands_under_it(tmp_path: Path) -> None:
    typed = ("model", "run", "notes-large", "--json")
    alone = shortlist(*typed, cwd=tmp_path, stdin=NOTE, **ONE_THREAD).json["data"]
    both = shortlist(*typed, "--prompt", "Summarise:", cwd=tmp_path, stdin=NOTE, **ONE_THREAD).json["data"]
    assert "Owner: Priya" in alone["text"]
    assert "Owner: Priya" in both["text"]
    assert both["prompt_tokens"] > alone["prompt_tokens"]
    assert both["completion_tokens"] > 0
    assert both["tokens_per_s"] > 0


@pytest.mark.slow
@pytest.mark.engine
def test_a_schema_holds_the_answer_and_one_that_cannot_be_ended_is_an_error(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"who": {"enum": ["ann", "ben"]}}, "required": ["who"]}
    (tmp_path / "s.json").write_text(json.dumps({**schema, "additionalProperties": False}))
    typed = ("model", "run", "notes-small", "--prompt", NOTE, "--json-schema", "s.json")
    done = shortlist(*typed, cwd=tmp_path, **ONE_THREAD)
    assert json.loads(done.out)["who"] in ("ann", "ben")
    cut = shortlist(*typed, "--max-tokens", 4, cwd=tmp_path, **ONE_THREAD)
    assert (cut.code, cut.out) == (1, "")
    assert "no JSON" in cut.err
    assert "--max-tokens" in cut.err
    (tmp_path / "s.json").write_text('{"type": "objekt"}')
    bad = shortlist(*typed, cwd=tmp_path)
    assert (bad.code, "s.json" in bad.err) == (2, True)


@pytest.mark.engine
def test_a_question_too_long_is_an_error_with_numbers(tmp_path: Path) -> None:
    done = shortlist("model", "run", "notes-small", cwd=tmp_path, stdin="word " * 3000, **ONE_THREAD)
    assert (done.code, done.out) == (1, "")
    assert "context length is 1024 tokens" in done.err
    assert "--context" in done.err


@pytest.mark.engine
def test_an_answer_that_was_cut_is_said_to_be(tmp_path: Path) -> None:
    done = shortlist("model", "run", "notes-large", "--prompt", NOTE, "--max-tokens", 3, cwd=tmp_path, **ONE_THREAD)
    assert "cut at 3 tokens: --max-tokens" in done.err


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        ((), "", "nothing was asked"),
        (("--json",), "", "nothing was asked"),
        (("--prompt", " "), "", "--prompt is empty"),
        (("--prompt", "see cat.png"), "", "images are not read"),
        (("--prompt", "x", "--json-schema", "gone.json"), "", "gone.json"),
        (("--prompt", "x", "--context", "999999"), "", "the model has 1024"),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_model_is_loaded(
    tmp_path: Path, args: tuple[str, ...], stdin: str, says: str
) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    done = shortlist("model", "run", "notes-small", *args, cwd=tmp_path, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_an_image_that_is_piped_in_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        argv("model", "run", "notes-small"), cwd=tmp_path, env=environment(), check=False, capture_output=True,
        input=b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"image (PNG)" in done.stderr


def test_a_policy_that_refuses_is_asked_first(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('[classes]\npermissive = "refuse"\n')
    done = shortlist("model", "run", "notes-small", "--prompt", "x", cwd=tmp_path, SHORTLIST_LICENCE_POLICY="p.toml")
    assert done.code == 1
    assert "run is refused" in done.err


class Terminal:
    """A chat on a pseudo-terminal: what it showed, and keys to press."""

    def __init__(self, leader: int, child: "subprocess.Popen[bytes]") -> None:
        self.leader, self.child, self.seen = leader, child, ""

    def until(self, text: str) -> str:
        """Read until this shows; what came, and begin anew behind it."""
        while text not in self.seen:
            assert select.select([self.leader], [], [], 60)[0], self.seen
            self.seen += os.read(self.leader, 65536).decode("utf-8", "replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, line: str) -> None:
        os.write(self.leader, line.encode())


@contextmanager
def chat(tmp_path: Path, *args: object, **env: str) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    where = environment(TERM="xterm", COLUMNS="200", **ONE_THREAD, **env)
    own = "import os; os.close(os.open(os.ttyname(0), os.O_RDWR))\n"  # a session's first terminal sends it Ctrl-C
    typed = [sys.executable, "-c", own + MAIN, "model", "run", *map(str, args)]
    with subprocess.Popen(
        typed, cwd=tmp_path, env=where, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    ) as child:  # fmt: skip
        os.close(follower)
        try:
            yield Terminal(leader, child)
        finally:
            if child.poll() is None:
                child.kill()
            os.close(leader)


@pytest.mark.engine
def test_a_chat_answers_remembers_obeys_commands_and_leaves_at_ctrl_d(tmp_path: Path) -> None:
    with chat(tmp_path, "notes-large") as terminal:
        terminal.until(">>> ")
        terminal.type(NOTE + "\n")
        terminal.until("Owner: Priya")
        assert "tokens" in terminal.until("tok/s")
        terminal.until(">>> ")
        terminal.type("/stats\n")
        terminal.until("1 answer, ")
        terminal.until(">>> ")
        terminal.type("/save talk.txt\n")
        terminal.until("wrote talk.txt: 2 messages")
        terminal.until(">>> ")
        terminal.type("/sytem\n")
        terminal.until("did you mean /system")
        terminal.until(">>> ")
        terminal.type("/clear\n/help\n")
        terminal.until("Ctrl-C stops an answer")
        terminal.until(">>> ")
        terminal.type("\x04")
        assert terminal.child.wait(30) == 0
    assert (tmp_path / "talk.txt").read_text().startswith(f"[user]\n{NOTE}\n\n[assistant]\nDecision:")


def left_at_the_prompt(terminal: Terminal) -> int:
    """Ctrl-C until it is seen: one that comes between readline's prompt and its wait is kept until the next key."""
    for _ in range(10):
        terminal.type("\x03")
        with contextlib.suppress(subprocess.TimeoutExpired):
            return terminal.child.wait(5)
    raise AssertionError("Ctrl-C does not end the chat")


def test_ctrl_c_stops_the_answer_and_not_the_chat_then_leaves_at_the_prompt(tmp_path: Path) -> None:
    script = f"ttft=1ms,gap=50ms,log={tmp_path / 'writes.jsonl'},text={'tick ' * 1000}"
    with chat(tmp_path, script, SHORTLIST_ENGINE="fake") as terminal:
        terminal.until(">>> ")
        terminal.type("go on\n")
        terminal.until("tick tick")
        terminal.type("\x03")
        terminal.until("stopped)")
        terminal.until(">>> ")
        terminal.type("once more\n")
        terminal.until("tick tick")
        terminal.type("\x03")
        terminal.until("stopped)")
        terminal.until(">>> ")
        assert left_at_the_prompt(terminal) == 0
    rows = [json.loads(line) for line in (tmp_path / "writes.jsonl").read_text().splitlines()]
    assert len({row["request"] for row in rows}) == 2
    assert len(rows) < 1000, "the engine stopped writing when the answer was stopped"


def test_a_strangers_escapes_are_shown_and_not_obeyed_on_a_terminal_and_kept_in_a_pipe(tmp_path: Path) -> None:
    evil = "a\x1b[31mred\u202eabc\x07"
    script = f"ttft=1ms,gap=1ms,text={evil}"
    with chat(tmp_path, script, SHORTLIST_ENGINE="fake") as terminal:
        terminal.until(">>> ")
        terminal.type("hi\n")
        shown = terminal.until("tok/s")
        terminal.type("\x04")
        assert r"a\x1b[31mred\u202eabc\x07" in shown
        assert "\x1b[31m" not in shown
    piped = shortlist("model", "run", script, "--prompt", "hi", cwd=tmp_path, SHORTLIST_ENGINE="fake")
    assert piped.out == evil + " \n"


def test_an_engine_that_dies_ends_the_chat_with_its_log(tmp_path: Path) -> None:
    with chat(tmp_path, "ttft=1ms,gap=1ms,chunks=20,fail=crash", SHORTLIST_ENGINE="fake") as terminal:
        terminal.until(">>> ")
        terminal.type("hi\n")
        terminal.until("error:")
        assert terminal.child.wait(30) == 1


def test_no_engine_outlives_an_interrupted_question(tmp_path: Path) -> None:
    typed = ("model", "run", "ttft=60s", "--prompt", "hi")
    with subprocess.Popen(
        argv(*typed), cwd=tmp_path, env=environment(SHORTLIST_ENGINE="fake"), stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        process = psutil.Process(child.pid)
        while not (engines := process.children()):
            assert child.poll() is None
            select.select([], [], [], 0.02)
        while not any(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections()):
            assert child.poll() is None
            select.select([], [], [], 0.02)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in engines)


@pytest.mark.slow
def test_a_pipe_that_stays_silent_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(
        argv("model", "run", "ttft=1ms,gap=1ms,text=well", "--prompt", "hi"), cwd=tmp_path, stdin=subprocess.PIPE,
        env=environment(SHORTLIST_ENGINE="fake"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stderr is not None
        assert "waiting for what is piped in" in child.stderr.readline()
        out, _ = child.communicate("more\n", timeout=60)
    assert (child.returncode, out) == (0, "well \n")


def test_an_endpoint_is_asked_by_its_models_name_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    async def main() -> Done:
        engine = find_engine("fake")(EngineContext())
        spec = LoadSpec("x", "ttft=1ms,gap=1ms,text=from afar", Variant("endpoint"), EngineOptions(), None, tmp_path)
        url = (await engine.open(spec)).base_url
        try:
            return await asyncio.to_thread(
                shortlist, "model", "run", "theirs", "--prompt", "hi", "--endpoint", url, "--json", cwd=tmp_path
            )
        finally:
            await engine.close()

    answer = asyncio.run(main()).json["data"]
    assert (answer["text"].strip(), answer["engine"], answer["model"]) == ("from afar", "remote", "theirs")
    gone = shortlist("model", "run", "x", "--prompt", "hi", "--endpoint", "http://127.0.0.1:9/v1", cwd=tmp_path)
    assert gone.code == 1
    assert "no connection" in gone.err
