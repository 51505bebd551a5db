"""How a service is found by its home, and how one knows that it runs."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from shortlist.errors import ServiceError
from shortlist.serve.files import Files, Running

RUNNING = Running(os.getpid(), ("http://127.0.0.1:1",), "now", "1")


def test_the_lock_decides_and_a_file_that_was_left_behind_does_not(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert (files.is_held(), files.running(), files.holder()) == (False, None, None)
    with files.held():
        assert files.is_held()
        assert files.holder() == os.getpid()
        assert files.running() is None, "it starts: nothing says where it answers"
        files.tell(RUNNING)
        assert files.running() == RUNNING
        left = files.state.read_bytes()
    assert not files.state.exists()
    files.state.write_bytes(left)
    assert (files.is_held(), files.running(), files.holder()) == (False, None, None)


def test_a_home_has_one_service(tmp_path: Path) -> None:
    files = Files(tmp_path)
    with files.held(), pytest.raises(ServiceError, match="running, starting or stopping"), files.held():
        pass
    with files.held():
        pass


def test_the_state_of_another_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    files = Files(tmp_path)
    with files.held():
        told = asdict(RUNNING) | {"what is new in it": 3}
        del told["flags"]
        files.state.write_text(json.dumps(told))
        assert files.running() == RUNNING
        for broken in ("", "{}", "[]", '{"urls": 3}', "null"):
            files.state.write_text(broken)
            assert files.running() is None


def test_a_token_that_others_may_have_seen_is_made_anew(tmp_path: Path) -> None:
    files = Files(tmp_path)
    with files.held():
        token = files.make_token()
        assert files.make_token() == token == files.read_token()
        files.token.chmod(0o644)
        assert files.read_token() is None
        assert files.make_token() != token
        assert files.token.stat().st_mode & 0o777 == 0o600
        other = tmp_path / "mine"
        other.write_text("precious")
        files.token.unlink()
        files.token.symlink_to(other)
        files.make_token()
    assert other.read_text() == "precious"
