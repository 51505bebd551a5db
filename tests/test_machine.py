import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist import machine
from shortlist.machine import (
    NOT_VISIBLE,
    boot_id,
    clock_source,
    cpu_model,
    cpu_quota,
    default_threads,
    fingerprint,
    gpus,
    host_facts,
    is_container,
    memory_limit,
    one_line,
    physical_cores,
    versions,
    virtual_machine,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and /sys")


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_the_facts_are_plain_json_without_host_name_or_home() -> None:
    facts = host_facts()
    text = json.dumps(facts)
    assert json.loads(text) == facts
    assert os.uname().nodename not in text
    assert facts["memory"]["total_bytes"] >= facts["memory"]["available_bytes"] > 0
    assert 1 <= facts["cpu"]["usable_cores"] <= facts["cpu"]["logical_cores"]
    assert facts["cpu"]["governor"]


def test_the_line_for_people_names_processor_cores_and_memory() -> None:
    facts = host_facts()
    line = one_line(facts)
    assert line.startswith(facts["cpu"]["model"])
    assert "GB memory" in line
    facts["cpu"]["quota_cores"] = 1.5
    facts["power"] = "battery"
    facts["gpus"] = [{"name": "AMD X", "memory_bytes": None, "source": "drm"}]
    assert "limited to 1.5" in one_line(facts)
    assert one_line(facts).endswith("on battery, AMD X")


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    code = "from shortlist.machine import *; print(fingerprint(host_facts()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told == fingerprint(host_facts())
    assert len(told) == 16


def test_the_fingerprint_follows_hardware_and_nothing_else() -> None:
    facts = host_facts()
    base = fingerprint(facts)
    for group, key, value in (("cpu", "model", "Another"), ("cpu", "logical_cores", 999)):
        assert fingerprint({**facts, group: {**facts[group], key: value}}) != base
    assert fingerprint({**facts, "memory": {**facts["memory"], "total_bytes": 1 << 42}}) != base
    assert fingerprint({**facts, "gpus": [{"name": "New"}]}) != base
    kernel_took_some = {"total_bytes": facts["memory"]["total_bytes"] - 1, "available_bytes": 5}
    changes: tuple[dict[str, object], ...] = (
        {"os": {}, "python": "x", "power": "battery", "container": None},
        {"memory": kernel_took_some},
        {"cpu": {**facts["cpu"], "usable_cores": 1, "quota_cores": 0.5, "governor": "powersave", "max_mhz": 1}},
    )
    for changed in changes:
        assert fingerprint({**facts, **changed}) == base


@linux
def test_the_boot_id_is_the_kernels() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_without_a_kernel_boot_id_the_boot_time_serves(tmp_path: Path) -> None:
    assert boot_id(tmp_path).startswith("boot-")
    assert boot_id(tmp_path) == boot_id(tmp_path)


def test_the_clock_source_is_told_or_unknown(tmp_path: Path) -> None:
    assert clock_source(tmp_path) == "unknown"
    plant(tmp_path, {"devices/system/clocksource/clocksource0/current_clocksource": "hpet\n"})
    assert clock_source(tmp_path) == "hpet"


def test_versions_name_python_ourselves_and_what_is_installed() -> None:
    found = versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"shortlist", "numpy", "psutil"} <= set(found)
    assert "openvino-genai" not in found or found["openvino-genai"]


# --- processors


@linux
def test_hyper_threads_count_once(tmp_path: Path) -> None:
    cpus = os.sched_getaffinity(0)
    for cpu in cpus:
        plant(tmp_path, {f"devices/system/cpu/cpu{cpu}/topology/core_cpus_list": "0-99\n"})
    assert physical_cores(tmp_path) == 1
    for cpu in cpus:
        plant(tmp_path, {f"devices/system/cpu/cpu{cpu}/topology/core_cpus_list": f"{cpu}\n"})
    assert physical_cores(tmp_path) == len(cpus)


@linux
def test_without_topology_every_usable_core_counts(tmp_path: Path) -> None:
    assert physical_cores(tmp_path) == len(os.sched_getaffinity(0))


@linux
def test_cores_that_we_may_not_use_do_not_count() -> None:
    code = (
        "import os; from shortlist.machine import *; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "print(physical_cores(), usable_cores(), default_threads())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1 1 1\n"


@pytest.mark.parametrize(
    ("cores", "quota", "shared", "alone"),
    [
        (1, None, 1, 1),
        (2, None, 2, 2),
        (3, None, 2, 3),
        (8, None, 7, 8),
        (8, 4.5, 3, 4),
        (8, 0.5, 1, 1),
        (2, 16.0, 2, 2),
    ],
)
def test_threads_leave_one_core_to_the_client_where_there_are_more_than_two(
    monkeypatch: pytest.MonkeyPatch, cores: int, quota: float | None, shared: int, alone: int
) -> None:
    """The two inputs are replaced: no one machine has them all."""
    monkeypatch.setattr(machine, "physical_cores", lambda: cores)
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    assert (default_threads(), default_threads(client_shares=False)) == (shared, alone)


def test_the_quota_is_read_from_version_2_groups_and_the_tightest_counts(tmp_path: Path) -> None:
    proc = plant(tmp_path / "proc", {"self/cgroup": "0::/a/b\n"})
    groups = plant(tmp_path / "cg", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"})
    assert cpu_quota(proc, groups) == 1.5
    plant(groups, {"a/b/cpu.max": "50000 100000\n"})
    assert cpu_quota(proc, groups) == 0.5


def test_the_quota_is_read_from_version_1_groups(tmp_path: Path) -> None:
    proc = plant(tmp_path / "proc", {"self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n0::/\n"})
    groups = plant(
        tmp_path / "cg", {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    )
    assert cpu_quota(proc, groups) == 2.0
    plant(groups, {"cpu,cpuacct/cpu.cfs_quota_us": "-1"})
    assert cpu_quota(proc, groups) is None


def test_no_groups_no_limits(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path) is None
    assert memory_limit(tmp_path, tmp_path) == (None, None)


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        ("processor : 0\nmodel name\t: Intel(R)  Core(TM) i5\nflags : fpu\n", "Intel(R) Core(TM) i5"),
        ("CPU implementer : 0x41\nCPU part : 0xd0b\nModel : Raspberry Pi 5\n", "Raspberry Pi 5"),
        ("CPU implementer : 0x41\nCPU part : 0xd0c\n", "ARM implementer 0x41 part 0xd0c"),
    ],
)
def test_the_processor_is_named_as_it_names_itself(tmp_path: Path, cpuinfo: str, model: str) -> None:
    assert cpu_model(plant(tmp_path, {"cpuinfo": cpuinfo})) == model


# --- memory and surroundings


def test_the_memory_limit_counts_pages_of_files_as_free(tmp_path: Path) -> None:
    proc = plant(tmp_path / "proc", {"self/cgroup": "0::/job\n"})
    stat = "anon 100\ninactive_file 300\nactive_file 50\n"
    groups = plant(
        tmp_path / "cg",
        {"job/memory.max": "1000\n", "job/memory.current": "700\n", "job/memory.stat": stat, "cpu.max": ""},
    )
    assert memory_limit(proc, groups) == (1000, 650)
    plant(groups, {"job/memory.max": "max\n"})
    assert memory_limit(proc, groups) == (None, None)


def test_the_memory_limit_of_version_1_knows_its_word_for_none(tmp_path: Path) -> None:
    proc = plant(tmp_path / "proc", {"self/cgroup": "4:memory:/x\n"})
    groups = plant(
        tmp_path / "cg",
        {"memory/x/memory.limit_in_bytes": "9223372036854771712", "memory/x/memory.usage_in_bytes": "5"},
    )
    assert memory_limit(proc, groups) == (None, None)
    plant(groups, {"memory/x/memory.limit_in_bytes": "800", "memory/x/memory.stat": "total_inactive_file 2"})
    assert memory_limit(proc, groups) == (800, 797)


@linux
def test_a_virtual_machine_is_told_by_its_flag_and_named_by_its_maker(tmp_path: Path) -> None:
    proc = plant(tmp_path, {"cpuinfo": "flags : fpu hypervisor sse\n", "class/dmi/id/sys_vendor": "QEMU\n"})
    assert virtual_machine(proc, proc) == "yes (QEMU)"
    assert virtual_machine(plant(tmp_path / "metal", {"cpuinfo": "flags : fpu\n"}), tmp_path / "metal") == "no"
    assert virtual_machine(tmp_path / "nothing", tmp_path / "nothing") == NOT_VISIBLE


def test_a_container_is_told_by_its_marks(tmp_path: Path) -> None:
    assert not is_container(tmp_path)
    assert is_container(plant(tmp_path / "a", {".dockerenv": ""}))
    assert is_container(plant(tmp_path / "b", {"proc/1/cgroup": "0::/kubepods/x\n"}))


def test_graphics_processors_are_read_from_drm_and_from_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sys_root = plant(
        tmp_path / "sys",
        {
            "class/drm/card0/device/vendor": "0x1002\n",
            "class/drm/card0/device/device": "0x744c\n",
            "class/drm/card0/device/mem_info_vram_total": "25753026560\n",
            "class/drm/card1/device/vendor": "0x10de\n",
            "class/drm/card0-DP-1/status": "connected\n",
        },
    )
    proc = plant(tmp_path / "proc", {"driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA RTX A2000\n"})
    assert gpus(proc, sys_root) == [
        {"name": "NVIDIA RTX A2000", "memory_bytes": None, "source": "driver"},
        {"name": "AMD 0x744c", "memory_bytes": 25753026560, "source": "drm"},
    ]
    assert gpus(tmp_path / "none", tmp_path / "none") == []


@linux
@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'NVIDIA L4, 23034'", [{"name": "NVIDIA L4", "memory_bytes": 23034 * 2**20, "source": "nvidia-smi"}]),
        ("echo 'NVIDIA-SMI has failed'; exit 9", []),
        ("exec sleep 30", []),
    ],
)
def test_nvidia_smi_is_asked_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: list[object]
) -> None:
    tool = plant(tmp_path, {"nvidia-smi": f"#!/bin/sh\n{script}\n"}) / "nvidia-smi"
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpus(tmp_path, tmp_path) == found


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("psutil", "numpy", "msgspec", "asyncio")
    code = f"import sys, shortlist.machine; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
