"""Minutes of mixed traffic on a real service, with memory for two of the three demo models and engines that are killed.

`soak` runs it and returns what was seen; `Soak.failures` says which claims do not hold, with the evidence.
"""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import make_random_gguf
from serve.services import Daemon, daemon
from serve.soak.traffic import Seen, Traffic
from serve.soak.truth import SLOTS, Answers, questions, record
from serve.soak.watching import Slope, Watch, disagreement, engines_of, page_of
from shortlist.clock import monotonic_ns, sleep_blocking_ns

_GROWN_MB, _GROWN_PART = 4.0, 0.05
_GROWN_DESCRIPTORS = 16
_REST_S = 30
_KEYS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how hard."""

    seconds: float = 600
    clients: int = 64
    kill_every_s: float = 20
    memory_limit: str = "150MB"
    turn: str = "3s"
    queue: int = 40
    notes: int = 8
    rounds: int = 1
    seed: int = 1


@dataclass(slots=True)
class Soak:
    """What was seen."""

    plan: Plan
    answers: Answers
    seen: Seen
    watch: Watch
    slopes: tuple[Slope, Slope]
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def swaps(self) -> int:
        """Models that were unloaded because another one needed their memory."""
        return sum(row["evictions"] for row in self.rows)

    def claim(self, is_so: object, evidence: str) -> None:
        """Keep the evidence where a claim does not hold."""
        if not is_so:
            self.failures.append(evidence)


def soak(home: Path, plan: Plan) -> Soak:
    """Run it in a home of its own."""
    keys = tuple(f"{number:02d}" + "k" * 38 for number in range(_KEYS))
    (home / "keys").write_text("".join(f"team-{at}:{key}\n" for at, key in enumerate(keys)))
    (home / "keys").chmod(0o600)
    make_random_gguf.write_random_gguf(home / "big.gguf", make_random_gguf.SHAPES["smollm2-135m"], "q4_0")
    options = (
        "--threads", 1, "--parallel", SLOTS, "--queue", plan.queue, "--turn", plan.turn,
        "--memory-limit", plan.memory_limit, "--keys-file", home / "keys",
    )  # fmt: skip
    with daemon(home, *options) as service:
        added = service.run("model", "add", "too-big", home / "big.gguf")
        assert added.code == 0, added.err
        pid = service.pid
        found = asyncio.run(_run(service, plan, keys))
        _at_rest(found, service)
        stopped = service.run("service", "stop")
        found.claim(stopped.code == 0, f"service stop: {stopped.err}")
        left = found.watch.left()
        found.claim(not left, f"processes that outlived the service: {left}")
        found.claim(page_of(pid) is None, "the stopped service has a page in the ledger")
        _judge_log(found, home)
    _judge(found)
    return found


async def _run(service: Daemon, plan: Plan, keys: tuple[str, ...]) -> Soak:
    token = service.files.read_token()
    assert token is not None
    answers = await record(service.port, questions(plan.notes), keys[0], plan.rounds)
    watch = Watch(psutil.Process(service.pid), service.home, plan.seed)
    traffic = Traffic(service.port, answers, keys, token, plan.clients, plan.seed)
    end = monotonic_ns() + round(plan.seconds * 1e9)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch.look(end))
        tasks.create_task(watch.kill(plan.kill_every_s, end))
        tasks.create_task(traffic.run(end))
    return Soak(plan, answers, traffic.seen, watch, watch.slopes())


def _at_rest(found: Soak, service: Daemon) -> None:
    """Everybody has gone: nothing is in use, nobody waits, the ledger says what the service says."""
    end = monotonic_ns() + _REST_S * 10**9
    while busy := [
        row for row in service.rows().values() if row["in_use"] or row["waiting"] or row["state"] == "loading"
    ]:
        if monotonic_ns() > end:
            break
        sleep_blocking_ns(200_000_000)
    found.claim(not busy, f"not at rest {_REST_S} s after the last client: {busy}")
    told = service.run("service", "status", "--json").json["data"]
    found.claim(told["active"] <= 1, f"{told['active']} requests are under way with nobody there")  # ours is one
    found.rows = list(service.rows().values())
    difference = disagreement(found.rows, page_of(service.pid))
    found.claim(difference is None, f"memory: {difference}")
    unloaded = service.run("model", "unload", "--all")
    found.claim(unloaded.code == 0, f"model unload --all: {unloaded.err}")
    engines = engines_of(psutil.Process(service.pid))
    found.claim(not engines, f"engines that outlived their unloading: {engines}")
    difference = disagreement(list(service.rows().values()), page_of(service.pid))
    found.claim(difference is None, f"memory, with nothing loaded: {difference}")


def _judge_log(found: Soak, home: Path) -> None:
    told = "".join(path.read_text("utf-8", "replace") for path in sorted((home / "logs").glob("service.log*")))
    traces = re.findall(r"^.*(?:Traceback|Task exception|never retrieved).*$(?:\n.*){0,12}", told, re.MULTILINE)
    found.claim(not traces, f"the service's log has {len(traces)} traces, first:\n{traces[0] if traces else ''}")


def _judge(found: Soak) -> None:
    seen, watch, outcomes = found.seen, found.watch, found.seen.outcomes
    memory, descriptors = found.slopes
    found.claim(not seen.wrongs, f"{seen.wrongs} replies are wrong:\n" + "\n".join(seen.wrong))
    most = max(_GROWN_MB, _GROWN_PART * memory.first)
    found.claim(memory.grown <= most, f"memory grew by {memory.grown:.1f} MB ({most:.1f} at most)")
    found.claim(
        descriptors.grown <= _GROWN_DESCRIPTORS, f"open descriptors grew by {descriptors.grown:.0f}: {descriptors}"
    )
    stuck = {pid: times for pid, times in watch.zombies.items() if times > 2}
    found.claim(not stuck, f"zombies that nobody reaped (pid, seconds): {stuck}")
    crashed = sum(count for outcome, count in outcomes.items() if outcome.startswith("engine_crashed"))
    found.claim(
        crashed <= SLOTS * watch.killed, f"{crashed} requests ended by a crash, {watch.killed} kills of {SLOTS} slots"
    )
    found.claim(watch.killed or not found.plan.kill_every_s < found.plan.seconds / 2, "no engine was killed")
    found.claim(found.swaps, "no model gave its memory to another")
    silent = [one for one in ("answered", "streamed", "left") if not outcomes[one]]
    found.claim(not silent, f"no request was {silent}")
    crashes = sum(row["crashes"] for row in found.rows)
    found.claim(crashes <= watch.killed, f"{crashes} crashes were counted, {watch.killed} engines were killed")


def told(found: Soak) -> list[str]:
    """The figures, a line each."""
    seen, watch, rows = found.seen, found.watch, found.rows
    texts = sum(len(one) for one in found.answers.values())
    loads, crashes = (sum(row[what] for row in rows) for what in ("loads", "crashes"))
    requests = f"{seen.outcomes.total()} requests, {seen.answered.total()} answered"
    asked = f"{len(found.answers)} questions with {texts} reference texts"
    return [
        f"{found.plan.clients} clients for {found.plan.seconds:g} s: {requests}, of {asked}",
        *(f"  {count:7} {outcome}" for outcome, count in seen.outcomes.most_common()),
        f"{found.swaps} swaps, {loads} loads; {watch.killed} engines killed, {crashes} of them open",
        *(
            f"  {model}: {count} answers, the longest wait {seen.longest_ns[model] / 1e9:.1f} s"
            for model, count in sorted(seen.answered.items())
        ),
        *(slope.told() for slope in found.slopes),
    ]
