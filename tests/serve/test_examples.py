"""What docs/service.md shows for shells and for systems that start services: run, or checked as far as can be here."""

import plistlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.examples import blocks
from serve.services import Daemon, daemon


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("examples"), "--threads", 1) as found:
        yield found


@pytest.mark.engine
@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are curl's, which is not here")
def test_every_example_with_curl_is_answered(service: Daemon) -> None:
    examples = [one for one in blocks("service.md", "sh") if "curl" in one]
    assert len(examples) >= 2
    for example in examples:
        lines = [line for line in example.splitlines(keepends=True) if not line.startswith("shortlist service")]
        script = "".join(lines).replace("5273", str(service.port)).replace("curl ", "curl --fail-with-body ")
        done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, script + done.stdout + done.stderr
        assert done.stdout.strip()
        assert '"error"' not in done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_the_systemd_unit_is_valid(tmp_path: Path) -> None:
    (unit,) = blocks("service.md", "ini")
    program = shutil.which("true")
    path = tmp_path / "shortlist.service"
    path.write_text(unit.replace("%h/.local/bin/shortlist", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", path], capture_output=True, text=True, check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_launchd_agent_is_a_property_list_that_starts_us() -> None:
    (text,) = blocks("service.md", "xml")
    told = plistlib.loads(text.encode())
    assert told["ProgramArguments"][1:] == ["service", "start", "--foreground"]
    assert told["KeepAlive"] == {"SuccessfulExit": False}
