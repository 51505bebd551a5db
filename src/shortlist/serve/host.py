"""What the service asks of the machine: free memory, what processes take, who sits on a port."""

import asyncio

import psutil

from shortlist.engines import Engine
from shortlist.errors import EngineCrashed
from shortlist.machine import memory_limit
from shortlist.measure.memory import MemoryReading, read_memory


def free_bytes() -> int:
    """Memory that one more process could have: what the system says is available, within the control groups' limits."""
    available: int = psutil.virtual_memory().available
    left = memory_limit()[1]
    return available if left is None else min(available, left)


async def resident(engine: Engine) -> MemoryReading | None:
    """What an engine's processes take; None where they are not ours or gone. To find them all takes milliseconds."""
    return await asyncio.to_thread(_resident, engine)


def _resident(engine: Engine) -> MemoryReading | None:
    pids = engine.pids()
    try:
        return read_memory(pids) if pids else None
    except EngineCrashed:
        return None


def port_owner(port: int) -> str:
    """Who listens on a TCP port, for people: `pid 812 (foundry.exe)`."""
    unseen = "another program (its owner is not visible to this user)"
    try:
        found = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port]
    except (psutil.AccessDenied, OSError):
        return unseen
    pid = next((connection.pid for connection in found if connection.pid), None)
    if pid is None:
        return unseen if found else "another program that has let go of it by now"
    try:
        process = psutil.Process(pid)
        return f"pid {pid} ({process.name()}: {' '.join(process.cmdline())[:80]})"
    except (psutil.Error, OSError):
        return f"pid {pid}"
