"""Schemathesis over the OpenAPI document of a real service: no 5xx, nothing answered but what the document says."""

import os
import subprocess
from pathlib import Path

import pytest

from serve.services import daemon

pytestmark = [pytest.mark.clients, pytest.mark.engine, pytest.mark.timeout(600)]

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
LEFT_OUT = "/shutdown|download"
"""What ends the service, and what fetches from another host."""


def test_no_request_that_the_document_suggests_is_answered_with_5xx_or_otherwise_than_it_says(
    python: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with daemon(home, "--threads", 1) as service:
        options = (
            "--checks", ",".join(CHECKS), "--exclude-path-regex", LEFT_OUT, "--phases", "coverage,fuzzing",
            "--max-examples", "20", "--seed", "1", "--generation-database", "none", "--request-timeout", "60",
            "--continue-on-failure", "-H", f"X-Shortlist-Token: {service.files.read_token()}", "--warnings", "off",
        )  # fmt: skip
        done = subprocess.run(
            [python, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{service.port}/openapi.json", *options],
            env={
                "PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1", "NO_PROXY": "127.0.0.1",
                "PYTHONPATH": str(Path(__file__).with_name("programs")), "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            },
            cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "0 selected" not in done.stdout
        assert service.ask("/health").status == 200
        assert service.rows()["notes-small"]["requests"] > 0, "no question was answered by a model"
