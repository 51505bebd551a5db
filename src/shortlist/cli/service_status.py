"""`shortlist service status` and `ps`."""

from typing import Any

import click

from shortlist import settings as settings_file
from shortlist import units
from shortlist.cli.output import emit, emit_json


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> int:
    """Whether the service runs: its pid, for how long, where it answers, what it holds.

    Exit code 0 when it runs, 1 when it does not.
    """
    from shortlist.serve import client
    from shortlist.serve.files import Files

    settings = settings_file.load()
    files = Files(settings.home)
    found = client.find(files)
    if found is None:
        state = "starting or stopping" if files.is_held() else "stopped"
        if as_json:
            emit_json("shortlist-service", {"state": state, "home": str(settings.home)})
        else:
            emit(f"the service is {state}; start it with: shortlist service start")
        return 1
    told = found.status()
    if as_json:
        emit_json("shortlist-service", told)
    else:
        for line in status_lines(told):
            emit(line, asked_ascii=settings.ascii)
    return 0


@click.command(name="ps")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(*, as_json: bool) -> None:
    """The models of the service: state, memory, how long idle, requests, tokens per second.

    Memory with ~ before it is predicted, without it is measured. WAIT counts requests in the queue.
    """
    from shortlist.serve import client
    from shortlist.serve.files import Files

    settings = settings_file.load()
    told = client.require(Files(settings.home)).status()
    if as_json:
        emit_json("shortlist-service-models", told["models"])
        return
    for line in (*table(told["models"]), *swap_lines(told["models"]), *kept_lines(told)):
        emit(line, asked_ascii=settings.ascii)


def show_loaded(*, as_json: bool) -> None:
    """Only what has memory now; no service is running, none of its models is loaded."""
    from shortlist.serve import client
    from shortlist.serve.files import Files

    settings = settings_file.load()
    found = client.find(Files(settings.home))
    rows = [] if found is None else [row for row in found.status()["models"] if row["memory_bytes"]]
    if as_json:
        emit_json("shortlist-service-models", rows)
        return
    for line in table(rows) if rows else [f"no model is loaded{'' if found else ': no service is running'}"]:
        emit(line, asked_ascii=settings.ascii)


def status_lines(told: dict[str, Any]) -> list[str]:
    """The service for people."""
    loaded = [row for row in told["models"] if row["memory_bytes"]]
    held = sum(row["memory_bytes"] for row in loaded)
    lines = [f"{told['state']}, pid {told['pid']}, for {units.duration(told['uptime_ns'])}"]
    lines += [f"  {url}/v1" for url in told["urls"]]
    if told["upstream"] is not None:
        return [*lines, f"  a relay to {told['upstream']}; it opens no model", f"  log: {told['log']}"]
    lines.append(
        f"  {units.counted(len(loaded), 'model')} loaded, {units.size(held)};"
        f" {units.size(max(0, told['room_bytes']))} {told['room_basis']}"
    )
    lines.append(f"  {told['in_use']} under way, {told['waiting']} waiting ({told['queue_limit']} may)")
    return [*lines, *swap_lines(told["models"]), *kept_lines(told), f"  log: {told['log']}"]


def kept_lines(told: dict[str, Any]) -> list[str]:
    """What keep-alive costs and what it has saved."""
    every = told["keep_alive_ns"]
    if every is None:
        return []
    kept = [row for row in told["models"] if row["memory_bytes"]]
    held = sum(row["memory_bytes"] for row in kept)
    loads, saved = sum(row["kept_loads"] for row in told["models"]), sum(row["kept_ns"] for row in told["models"])
    won = f"saved {units.counted(loads, 'load')}, {units.duration(saved)}" if loads else "has saved nothing yet"
    return [f"  keep-alive every {units.duration(every)}: holds {units.size(held)}, {won}"]


def swap_lines(rows: list[dict[str, Any]]) -> list[str]:
    """How often models gave their memory to each other, and what loading took."""
    swaps = sum(row["evictions"] for row in rows)
    if not swaps:
        return []
    loads, took = sum(row["loads"] for row in rows), sum(row["loading_ns"] for row in rows)
    return [f"  {units.counted(swaps, 'eviction')} so far; {units.counted(loads, 'load')} took {units.duration(took)}"]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of at most 80 columns."""
    if not rows:
        return ["no model was asked for yet"]
    head = f"{'MODEL':<30}{'STATE':<10}{'MEMORY':>8}{'IDLE':>9}{'REQS':>7}{'WAIT':>6}{'TOK/S':>8}"
    return [head, *(_line(row) for row in rows)]


def _line(row: dict[str, Any]) -> str:
    from shortlist.report.escape import one_line

    memory = "-"
    if row["memory_bytes"]:
        memory = ("~" if row["memory_basis"] == "predicted" else "") + units.size(row["memory_bytes"]).replace(" ", "")
    idle = "-" if row["idle_ns"] is None else units.duration(row["idle_ns"]).replace(" ", "")
    rate = "-" if row["tokens_per_s"] is None else f"{row['tokens_per_s']:.1f}"
    state = "pinned" if row["is_pinned"] and row["state"] == "ready" else row["state"]
    name = one_line(row["model"], 29)
    return f"{name:<30}{state:<10}{memory:>8}{idle:>9}{row['requests']:>7}{row['waiting']:>6}{rate:>8}"
