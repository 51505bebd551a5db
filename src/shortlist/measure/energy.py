"""What the host draws: counters of energy where they can be read, else watts that its owner declares.

NVML counts what each GPU drew since its driver was loaded; RAPL what each processor package drew. Both are counters, so
nothing is sampled while requests run. RAPL wraps (at 100 W after about 45 minutes on common packages): `Counter` must
be read at least once in that time. Sources: NVML's nvmlDeviceGetTotalEnergyConsumption; Linux, power-capping framework.
"""

import contextlib
import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Basis = Literal["nvml", "rapl", "nvml+rapl", "declared"]
NVML_LIBRARIES = ("libnvidia-ml.so.1", "nvml.dll")
_POWERCAP = Path("/sys/class/powercap")


class Source(Protocol):
    """Cumulative energy of some parts of a host."""

    name: str

    def read_uj(self) -> Mapping[str, int]:
        """Microjoules so far by part. Raises OSError where it can no longer be read."""
        ...

    def wraps_at_uj(self, part: str) -> int | None:
        """Where a part's count starts again; None: never."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """What the host's owner says that it draws, at work and idle; None: not said."""

    watts: float | None = None
    idle_watts: float | None = None


@dataclass(slots=True)
class Counter:
    """Joules since the first reading, over all sources; a count that wrapped once between two readings is followed."""

    sources: Sequence[Source]
    joules: float = 0.0
    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def basis(self) -> str:
        """The sources that are read."""
        return "+".join(sorted(source.name for source in self.sources))

    def read(self) -> float:
        """Joules since the first reading. Raises OSError where a source can no longer be read."""
        for source in self.sources:
            for part, count in source.read_uj().items():
                before = self._last.get((source.name, part), count)
                step = count - before
                if step < 0:
                    step += source.wraps_at_uj(part) or 0
                self.joules += max(0, step) / 1e6
                self._last[source.name, part] = count
        return self.joules


# --- RAPL -------------------------------------------------------------------------------------------------------------


class Rapl:
    """The processor packages' counters; cores, graphics and memory are inside or beside them and are not added."""

    name = "rapl"

    def __init__(self, zones: Mapping[str, Path]) -> None:
        self._zones = zones
        self._limits = {part: _number(zone / "max_energy_range_uj") for part, zone in zones.items()}

    def read_uj(self) -> Mapping[str, int]:
        """Each package's count."""
        return {part: int((zone / "energy_uj").read_text(encoding="ascii")) for part, zone in self._zones.items()}

    def wraps_at_uj(self, part: str) -> int | None:
        """As the kernel gives it."""
        return self._limits[part]


def find_rapl(root: Path = _POWERCAP) -> Rapl | str:
    """The packages that can be read, or why there are none."""
    zones = {}
    for zone in sorted(root.glob("intel-rapl:*")):
        with contextlib.suppress(OSError):
            name = (zone / "name").read_text(encoding="ascii").strip()
            if name.startswith("package"):
                zones[name] = zone
    if not zones:
        return "no RAPL counters here (a virtual machine has none)"
    found = Rapl(zones)
    try:
        found.read_uj()
    except PermissionError:
        return "the RAPL counters are for root only"
    except (OSError, ValueError) as error:
        return f"the RAPL counters cannot be read: {error}"
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


# --- NVML -------------------------------------------------------------------------------------------------------------


class Nvml:
    """The GPUs' counters through NVIDIA's own library; it stays loaded until the process ends."""

    name = "nvml"

    def __init__(self, library: Any, devices: Sequence[ctypes.c_void_p]) -> None:
        self._library, self._devices = library, devices

    def read_uj(self) -> Mapping[str, int]:
        """Each GPU's count. NVML counts millijoules."""
        found = {}
        for place, device in enumerate(self._devices):
            count = ctypes.c_ulonglong()
            if code := self._library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(count)):
                raise OSError(f"NVML gives code {code} for the energy of GPU {place}")
            found[f"gpu {place}"] = count.value * 1000
        return found

    def wraps_at_uj(self, part: str) -> int | None:  # noqa: ARG002 - 64 bits of millijoules last for ever
        """Never."""
        return None


def find_nvml(names: Sequence[str] = NVML_LIBRARIES) -> Nvml | str:
    """The GPUs whose energy is counted (Volta and later), or why there are none."""
    library = None
    for name in names:
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(name)
            break
    if library is None:
        return "NVIDIA's library is not here"
    try:
        if code := library.nvmlInit_v2():
            return f"NVML does not start: code {code}"
        count = ctypes.c_uint()
        if code := library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return f"NVML does not tell its GPUs: code {code}"
        devices = []
        for place in range(count.value):
            device = ctypes.c_void_p()
            if library.nvmlDeviceGetHandleByIndex_v2(place, ctypes.byref(device)) == 0:
                devices.append(device)
        found = Nvml(library, devices)
        found.read_uj()
    except (AttributeError, OSError) as error:
        return f"NVML counts no energy here: {error}"
    return found if devices else "NVML finds no GPU"


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be read on this host, and why the rest cannot."""

    readable: tuple[Source, ...]
    reasons: tuple[str, ...]


def find_sources(powercap: Path = _POWERCAP, nvml: Sequence[str] = NVML_LIBRARIES) -> Sources:
    """Every counter of energy on this host."""
    found = (find_nvml(nvml), find_rapl(powercap))
    return Sources(tuple(f for f in found if not isinstance(f, str)), tuple(f for f in found if isinstance(f, str)))
