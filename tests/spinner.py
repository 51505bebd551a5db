"""A process that does nothing but take a core, under a name of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SPIN = "import sys\nsys.stdout.write('spinning\\n'); sys.stdout.flush()\nwhile True: pass"


@contextmanager
def spinner(folder: Path, name: str, count: int = 1) -> Iterator[None]:
    """So many processes that are busy from now on until the end; a process is named after the file that it runs."""
    link = folder / name
    link.symlink_to(Path(sys.executable).resolve())
    processes = [
        subprocess.Popen([str(link), "-S", "-c", _SPIN], stdout=subprocess.PIPE, env={"PYTHONHOME": sys.base_prefix})
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"spinning\n"
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        link.unlink()
