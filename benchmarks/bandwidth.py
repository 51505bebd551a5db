"""Read bandwidth: our reader against hand-written AVX2 in C, at one thread and at all cores.

    python benchmarks/bandwidth.py [--megabytes 512]

The C reader is compiled here and shares no code with ours; both read memory that was written before. Needs a C compiler
and a processor with AVX2. GB is 10^9 bytes.
"""

import argparse
import ctypes
import platform
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np

from shortlist.clock import monotonic_ns
from shortlist.machine import default_threads
from shortlist.measure.bandwidth import last_cache_bytes, measure_bandwidth

READER = """
#include <immintrin.h>
#include <stdint.h>
#include <stddef.h>
__attribute__((target("avx2"))) uint64_t read_all(const void *data, size_t bytes) {
    const __m256i *at = data;
    __m256i sums[8];
    for (int lane = 0; lane < 8; lane++) sums[lane] = _mm256_setzero_si256();
    for (size_t i = 0; i + 8 <= bytes / 32; i += 8)
        for (int lane = 0; lane < 8; lane++)
            sums[lane] = _mm256_xor_si256(sums[lane], _mm256_loadu_si256(at + i + lane));
    for (int lane = 1; lane < 8; lane++) sums[0] = _mm256_xor_si256(sums[0], sums[lane]);
    return (uint64_t)_mm256_extract_epi64(sums[0], 0);
}
"""


def compiled(folder: Path) -> ctypes.CDLL:
    source, made = folder / "reader.c", folder / "reader.so"
    source.write_text(READER)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("no C compiler: nothing to compare with")
    subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    library = ctypes.CDLL(str(made))
    library.read_all.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.read_all.restype = ctypes.c_uint64
    return library


def best_of_c(library: ctypes.CDLL, threads: int, size: int, passes: int = 20) -> float:
    """Bytes per second of the best pass over the whole buffer."""
    parts = [np.full(size // threads // 8, 1, np.int64) for _ in range(threads)]
    best = 0.0
    for _ in range(passes):
        workers = [threading.Thread(target=library.read_all, args=(part.ctypes.data, part.nbytes)) for part in parts]
        began = monotonic_ns()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, sum(part.nbytes for part in parts) / (monotonic_ns() - began) * 1e9)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512)
    asked = parser.parse_args()
    if platform.machine() not in ("x86_64", "AMD64"):
        raise SystemExit(f"the C reader is for x86-64, this is {platform.machine()}")
    print(f"last cache {(last_cache_bytes() or 0) / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(Path(folder))
        for threads in dict.fromkeys((1, default_threads(client_shares=False))):
            in_c = best_of_c(library, threads, asked.megabytes * 10**6)
            ours = measure_bandwidth(threads)
            if ours is None:
                raise SystemExit("too little free memory")
            steady = "steady" if ours.is_steady else "not steady"
            share = ours.bytes_per_s / in_c
            print(
                f"{threads} threads: C {in_c / 1e9:.1f} GB/s, ours {ours.bytes_per_s / 1e9:.1f} ({steady}): {share:.0%}"
            )


if __name__ == "__main__":
    main()
