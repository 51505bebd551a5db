"""measure/energy.py: RAPL on a tree of real files, NVML through a small library that speaks its ABI."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.measure.energy import Counter, Nvml, Rapl, find_nvml, find_rapl, find_sources

NVML_C = """
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
typedef struct { char path[4096]; } device;
static device devices[2];
static const char *folder(void) { return getenv("NVML_TEST_FOLDER"); }
int nvmlInit_v2(void) { return folder() ? 0 : 9; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device **found) {
    snprintf(devices[index].path, sizeof devices[index].path, "%s/gpu%u", folder(), index);
    *found = &devices[index];
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(device *one, unsigned long long *millijoules) {
    FILE *file = fopen(one->path, "r");
    if (!file) return 3;  /* NVML_ERROR_NOT_SUPPORTED */
    int got = fscanf(file, "%llu", millijoules);
    fclose(file);
    return got == 1 ? 0 : 999;
}
"""


def zone(root: Path, name: str, kind: str, microjoules: int, limit: int = 10**9) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(kind + "\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder


def set_count(folder: Path, microjoules: int) -> None:
    (folder / "energy_uj").write_text(f"{microjoules}\n")


def rapl(root: Path) -> Rapl:
    found = find_rapl(root)
    assert isinstance(found, Rapl)
    return found


def test_packages_are_added_and_what_lies_inside_or_beside_them_is_not(tmp_path: Path) -> None:
    packages = [zone(tmp_path, f"intel-rapl:{n}", f"package-{n}", 10**6) for n in (0, 1)]
    inside = [zone(tmp_path, "intel-rapl:0:0", "core", 0), zone(tmp_path, "intel-rapl:2", "psys", 0)]
    counter = Counter([rapl(tmp_path)])
    assert counter.read() == 0.0
    for one in packages:
        set_count(one, 3 * 10**6)
    for one in inside:
        set_count(one, 9 * 10**8)
    assert counter.read() == pytest.approx(4.0)
    assert counter.basis == "rapl"


def test_a_count_that_wrapped_goes_on(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000, limit=1_000_000_000)
    counter = Counter([rapl(tmp_path)])
    counter.read()
    set_count(package, 2_000_000)
    assert counter.read() == pytest.approx(3.0)
    set_count(package, 5_000_000)
    assert counter.read() == pytest.approx(6.0)


def test_a_tree_without_packages_says_so(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "dram", 1)
    found = find_rapl(tmp_path)
    assert isinstance(found, str)
    assert "virtual machine" in found


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_counter_for_root_only_says_so(open_folder: Path) -> None:
    (zone(open_folder, "intel-rapl:0", "package-0", 1) / "energy_uj").chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        found = find_rapl(open_folder)
    finally:
        if is_root:
            os.seteuid(0)
    assert isinstance(found, str)
    assert "root only" in found


def test_a_counter_that_vanishes_is_an_error_for_the_bench_to_tell(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    counter = Counter([rapl(tmp_path)])
    counter.read()
    (package / "energy_uj").unlink()
    with pytest.raises(OSError, match="energy_uj"):
        counter.read()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for a library that speaks NVML's ABI")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(NVML_C)
    made = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(folder / "nvml.c")], check=True)
    return made


def test_gpus_are_read_through_the_c_interface(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVML_TEST_FOLDER", str(tmp_path))
    for n, millijoules in enumerate((5_000_000_000_000, 1_000)):  # past 32 bits
        (tmp_path / f"gpu{n}").write_text(str(millijoules))
    found = find_nvml([str(library)])
    assert isinstance(found, Nvml)
    counter = Counter([found])
    assert counter.read() == 0.0
    (tmp_path / "gpu0").write_text(str(5_000_000_002_500))
    (tmp_path / "gpu1").write_text("2000")
    assert counter.read() == pytest.approx(3.5)


def test_a_gpu_that_counts_no_energy_says_so(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVML_TEST_FOLDER", str(tmp_path))
    found = find_nvml([str(library)])
    assert isinstance(found, str)
    assert "code 3" in found


def test_without_the_library_or_a_driver_there_is_a_reason(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_nvml(["no-such-library.so"]) == "NVIDIA's library is not here"
    monkeypatch.delenv("NVML_TEST_FOLDER", raising=False)
    found = find_nvml([str(library)])
    assert isinstance(found, str)
    assert "code 9" in found


def test_all_that_can_be_read_is_read_and_the_rest_has_its_reason(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVML_TEST_FOLDER", str(tmp_path))
    for n in (0, 1):
        (tmp_path / f"gpu{n}").write_text("0")
    zone(tmp_path / "powercap", "intel-rapl:0", "package-0", 1)
    both = find_sources(tmp_path / "powercap", [str(library)])
    assert Counter(both.readable).basis == "nvml+rapl"
    none = find_sources(tmp_path / "nothing", ["no-such-library.so"])
    assert none.readable == ()
    assert len(none.reasons) == 2
