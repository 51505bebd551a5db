"""Facts of this host, read without loading anything heavy.

What cannot be seen from here (a governor inside a virtual machine) is `NOT_VISIBLE` where a text is expected and None
where a number is: never a guess. Functions take the roots of `/proc` and `/sys`, so that tests can show other hosts.
"""

import contextlib
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from shortlist import __version__
from shortlist.units import size

NOT_VISIBLE = "not visible here"
KEY_PACKAGES = ("xllamacpp", "onnxruntime-genai", "openvino-genai", "numpy", "uvloop", "httptools", "msgspec", "psutil")
_PROC, _SYS = Path("/proc"), Path("/sys")
_SYSTEM = platform.system()
_ASK_LIMIT_S = 1.0
_GPU_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1af4": "virtio", "0x1234": "QEMU"}


def host_facts() -> dict[str, Any]:
    """What a result must carry of its host, as JSON values; no host name, no serial number."""
    import psutil

    memory = psutil.virtual_memory()
    limit, available = memory_limit()
    return {
        "cpu": {
            "model": cpu_model(),
            "architecture": platform.machine(),
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": usable_cores(),
            "usable_physical_cores": physical_cores(),
            "quota_cores": cpu_quota(),
            "governor": _governor(),
            "max_mhz": _max_mhz(),
        },
        "memory": {
            "total_bytes": memory.total,
            "available_bytes": memory.available if available is None else min(memory.available, available),
            "limit_bytes": limit if limit is not None and limit < memory.total else None,
        },
        "os": {"system": platform.system(), "release": platform.release(), "version": platform.version()},
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "power": _power(),
        "virtual_machine": virtual_machine(),
        "container": is_container(),
        "gpus": gpus(),
    }


def one_line(facts: Mapping[str, Any]) -> str:
    """A host in one line, for people: `AMD EPYC, 2 cores, 25.3 GB memory, Linux 6.18, no GPU`."""
    cpu, memory = facts["cpu"], facts["memory"]
    cores = cpu["usable_physical_cores"]
    parts = [cpu["model"], f"{cores} core{'' if cores == 1 else 's'}"]
    if cpu["quota_cores"] is not None:
        parts.append(f"limited to {cpu['quota_cores']:g}")
    parts.append(f"{size(memory['limit_bytes'] or memory['total_bytes'])} memory")
    parts.append(f"{facts['os']['system']} {facts['os']['release']}")
    if facts["power"] == "battery":
        parts.append("on battery")
    parts.append(" + ".join(gpu["name"] for gpu in facts["gpus"]) or "no GPU found")
    return ", ".join(parts)


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Sixteen hex digits over the hardware in `host_facts`: the same over reboots, updates and limits set on us.

    Memory counts in whole GiB, rounded up: what a kernel keeps for itself changes with its version.
    """
    cpu = facts["cpu"]
    hardware = [
        *(cpu[key] for key in ("model", "architecture", "physical_cores", "logical_cores")),
        math.ceil(facts["memory"]["total_bytes"] / 2**30),
        sorted(gpu["name"] for gpu in facts["gpus"]),
    ]
    return hashlib.sha256(json.dumps(hardware).encode()).hexdigest()[:16]


def boot_id(proc: Path = _PROC) -> str:
    """Different after every boot; where the kernel gives none, the boot's time in ten seconds."""
    if told := _read(proc / "sys/kernel/random/boot_id"):
        return told
    import psutil

    return f"boot-{round(psutil.boot_time() / 10)}"


def clock_source(sys_root: Path = _SYS) -> str:
    """What the kernel's clock counts with (`tsc`, `hpet`, …), or `unknown`."""
    return _read(sys_root / "devices/system/clocksource/clocksource0/current_clocksource") or "unknown"


def versions() -> dict[str, str]:
    """Python, Shortlist and the packages that numbers depend on, where they are installed."""
    found = {"python": platform.python_version(), "shortlist": __version__}
    for package in KEY_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


# --- processors -----------------------------------------------------------------------------------------------------


def physical_cores(sys_root: Path = _SYS) -> int:
    """Cores that this process may run on, hyper-threads counted once; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
        siblings = {_siblings(sys_root, cpu) for cpu in allowed}
        if None not in siblings:
            return len(siblings)
        return len(allowed)
    import psutil

    return min(psutil.cpu_count(logical=False) or usable_cores(), usable_cores())


def default_threads(*, client_shares: bool = True) -> int:
    """Threads for an engine: physical cores, less one where the client shares them and there are more than two.

    A container's processor quota lowers the cores.
    """
    quota = cpu_quota()
    cores = physical_cores() if quota is None else max(1, min(physical_cores(), math.floor(quota)))
    return cores - 1 if client_shares and cores > 2 else cores


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    import psutil

    if _SYSTEM == "Windows":
        return len(psutil.Process().cpu_affinity())
    return psutil.cpu_count() or 1


def cpu_quota(proc: Path = _PROC, cgroups: Path = _SYS / "fs/cgroup") -> float | None:
    """Cores' worth of time that the control groups grant (1.5 is one and a half); None: no limit seen."""
    granted = []
    for group in _groups("cpu", proc, cgroups):
        words = (_read(group / "cpu.max") or "").split()
        if not words:
            words = [_read(group / "cpu.cfs_quota_us") or "", _read(group / "cpu.cfs_period_us") or ""]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]) > 0:
            granted.append(int(words[0]) / int(words[1]))
    return min(granted, default=None)


def cpu_model(proc: Path = _PROC) -> str:
    """The processor's name as it gives it."""
    lines = dict(_fields(_read(proc / "cpuinfo") or ""))
    name = lines.get("model name") or lines.get("Hardware") or lines.get("Model")
    if not name and "CPU part" in lines:
        name = f"ARM implementer {lines.get('CPU implementer')} part {lines['CPU part']}"
    if not name and _SYSTEM == "Darwin":
        name = _ask("sysctl", "-n", "machdep.cpu.brand_string")
    return " ".join((name or platform.processor() or platform.machine() or NOT_VISIBLE).split())


def _siblings(sys_root: Path, cpu: int) -> str | None:
    topology = sys_root / f"devices/system/cpu/cpu{cpu}/topology"
    return _read(topology / "core_cpus_list") or _read(topology / "thread_siblings_list")


def _governor(sys_root: Path = _SYS) -> str:
    return _read(sys_root / "devices/system/cpu/cpu0/cpufreq/scaling_governor") or NOT_VISIBLE


def _max_mhz(sys_root: Path = _SYS) -> int | None:
    khz = _number(sys_root / "devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return None if khz is None else khz // 1000


# --- memory, power, surroundings ------------------------------------------------------------------------------------


def memory_limit(proc: Path = _PROC, cgroups: Path = _SYS / "fs/cgroup") -> tuple[int | None, int | None]:
    """The tightest limit that control groups set on memory and what is left under it, in bytes; None: none seen.

    Pages of files count as free, as they do in the system's own figure: the kernel drops them before anything else.
    """
    tightest: tuple[int, int] | None = None
    for group in _groups("memory", proc, cgroups):
        is_v2 = (group / "memory.max").exists()
        limit = _number(group / ("memory.max" if is_v2 else "memory.limit_in_bytes"))
        used = _number(group / ("memory.current" if is_v2 else "memory.usage_in_bytes")) or 0
        if limit is None or limit >= 1 << 60:  # v1 writes "no limit" as the largest page-aligned number
            continue
        counted = dict(line.split()[:2] for line in (_read(group / "memory.stat") or "").splitlines() if " " in line)
        prefix = "" if is_v2 else "total_"
        files = sum(int(counted.get(f"{prefix}{kind}_file", 0)) for kind in ("inactive", "active"))
        left = max(0, limit - max(0, used - files))
        tightest = (limit, left) if tightest is None else (min(limit, tightest[0]), min(left, tightest[1]))
    return tightest or (None, None)


def virtual_machine(proc: Path = _PROC, sys_root: Path = _SYS) -> str:
    """`yes` (with the maker's name, where told), `no`, or NOT_VISIBLE."""
    maker = " ".join(
        filter(None, (_read(sys_root / f"class/dmi/id/{name}") for name in ("sys_vendor", "product_name")))
    )
    flags = dict(_fields(_read(proc / "cpuinfo") or "")).get("flags")
    if _SYSTEM == "Darwin":
        return {"0": "no", "1": "yes"}.get(_ask("sysctl", "-n", "kern.hv_vmm_present") or "", NOT_VISIBLE)
    if (flags and "hypervisor" in flags.split()) or (sys_root / "hypervisor/type").exists():
        return f"yes ({maker})" if maker else "yes"
    return "no" if flags else NOT_VISIBLE


def is_container(root: Path = Path("/")) -> bool:
    """Docker, Podman or Kubernetes left its mark here."""
    marks = ("docker", "kubepods", "containerd", "libpod", "lxc")
    groups = _read(root / "proc/1/cgroup") or ""
    return (
        (root / ".dockerenv").exists() or (root / "run/.containerenv").exists() or any(mark in groups for mark in marks)
    )


def _power() -> str:
    import psutil

    sensor = getattr(psutil, "sensors_battery", None)
    battery = sensor() if sensor else None
    if battery is None:
        return "no battery" if sensor else NOT_VISIBLE
    return {True: "mains", False: "battery"}.get(battery.power_plugged, NOT_VISIBLE)


def gpus(proc: Path = _PROC, sys_root: Path = _SYS) -> list[dict[str, Any]]:
    """Graphics processors, best effort: name, memory in bytes (None: not told), and where that was read."""
    found = [_nvidia(line) for line in (_ask("nvidia-smi", *_NVIDIA_ASK) or "").splitlines() if "," in line]
    if not found:
        for card in sorted((proc / "driver/nvidia/gpus").glob("*/information")):
            name = dict(_fields(_read(card) or "")).get("Model", "NVIDIA")
            found.append({"name": name, "memory_bytes": None, "source": "driver"})
    for device in sorted((sys_root / "class/drm").glob("card[0-9]*/device")):
        vendor = _read(device / "vendor") or ""
        if not vendor or (vendor == "0x10de" and found):
            continue
        told = _read(device / "product_name") or f"{_GPU_VENDORS.get(vendor, vendor)} {_read(device / 'device') or ''}"
        memory = _number(device / "mem_info_vram_total")
        found.append({"name": told.strip(), "memory_bytes": memory, "source": "drm"})
    if _SYSTEM == "Darwin" and platform.machine() == "arm64":
        found.append({"name": f"{cpu_model()} GPU", "memory_bytes": None, "source": "system"})
    return found


_NVIDIA_ASK = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")


def _nvidia(line: str) -> dict[str, Any]:
    name, _, mib = line.rpartition(",")
    memory = int(mib) * 2**20 if mib.strip().isdigit() else None
    return {"name": name.strip(), "memory_bytes": memory, "source": "nvidia-smi"}


# --- reading --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> str | None:
    """A small file's text without its last newline; None where it is not there, not ours to read, or empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\n\0 ") or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text and text.isdigit() else None


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """`name : value` lines; `dict` keeps the last of each name."""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            yield name.strip(), value.strip()


def _ask(command: str, *arguments: str) -> str | None:
    """What a system's own tool prints within a second; None where it is missing, slow or unwilling."""
    if not (path := shutil.which(command)):
        return None
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, timeout=_ASK_LIMIT_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip() or None


def _groups(controller: str, proc: Path, cgroups: Path) -> Iterator[Path]:
    """The control groups that bind this process for a controller, from its own up to the root; v2 and v1."""
    for line in (_read(proc / "self/cgroup") or "").splitlines():
        _, names, path = (*line.split(":", 2), "", "")[:3]
        if names and controller not in names.split(","):
            continue
        roots = (cgroups / names, cgroups / controller) if names else (cgroups, cgroups / "unified")
        for root in dict.fromkeys(roots):
            own = root / path.lstrip("/")
            for group in (own, *own.parents):
                if group.is_dir():  # inside a container the host's path leads nowhere, its parents may
                    yield group
                if group == root:
                    break
