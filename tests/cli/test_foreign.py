"""Foreign programs from the command line: benched like any engine, and started at nobody's word but the user's."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from cli.commands import shortlist

PROGRAM = shlex.join([sys.executable, str(Path(__file__).parents[1] / "engines" / "foreign_llama.py")])
COMMAND = f"{PROGRAM} -m {{model}} --port {{port}} --threads {{threads}}"


@pytest.mark.engine
def test_a_command_is_benched_resumed_and_never_run_from_the_store(tmp_path: Path) -> None:
    home = tmp_path / "home"

    def run(*args: object) -> tuple[int, str, str]:
        done = shortlist(*args, cwd=tmp_path, SHORTLIST_HOME=str(home))
        return done.code, done.out, done.err

    (tmp_path / "prompts.json").write_text('["We agreed to ship on Friday; Zoe owns it."]')
    common = ("--prompts", "prompts.json", "--rounds", 1, "--max-tokens", 12, "--name", "theirs")
    code, out, err = run("bench", "notes-small", "--command", COMMAND, "--threads", 1, *common, "--json")
    assert code == 0, err
    assert "a random text goes before each prompt" in err  # nobody told that it keeps no prompts
    assert json.loads(out)["data"]["candidates"][0]["status"] == "ok"
    export = json.loads(run("runs", "export", "theirs")[1])
    (candidate,) = export["candidates"]
    assert (candidate["engine"], candidate["options"]["extra"]["command"]) == ("command", COMMAND)
    assert export["blocks"][0]["endpoint"]["model"] == "the-foreign-one"
    # The store's command is compared with what is typed now, and never started.
    for typed, told in (((), "give --command as it was"), (("--command", "other {model} {port}"), "other")):
        code, _, err = run("bench", "--resume", "theirs", "--rounds", 2, *typed)
        assert code == 2
        assert told in err
    assert run("bench", "--resume", "theirs", "--rounds", 2, "--command", COMMAND)[0] == 0


def test_no_models_json_and_no_project_file_names_a_program(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text(json.dumps({"notes-small": {"command": "touch pwned {port}"}}))
    done = shortlist("bench", "--models", "models.json", cwd=tmp_path)
    assert done.code == 2
    assert "command" in done.err
    told = shortlist("config", "set", "--project", "command", "x {port}", cwd=tmp_path)
    assert (told.code, "leave out --project" in told.err) == (2, True)
    (tmp_path / "shortlist.toml").write_text('[engines.mine]\ncommand = "touch pwned {port}"\n')
    done = shortlist("model", "run", "notes-small", "--engine", "mine", "--prompt", "x", cwd=tmp_path)
    assert done.code == 2
    assert "somebody else's" in done.err
    assert not (tmp_path / "pwned").exists()


@pytest.mark.engine
def test_config_list_and_doctor_tell_of_them(tmp_path: Path) -> None:
    home, tools = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    tools.mkdir()
    (home / "shortlist.toml").write_text('[engines.gone]\ncommand = "no-such-server {model} {port}"\n')
    program = tools / "llama-server"
    program.write_text("#!/bin/sh\necho 'version: 6123 (abcdef)' >&2\n")
    program.chmod(0o755)
    (tools / "foundry").write_text("#!/bin/sh\n")
    (tools / "foundry").chmod(0o755)
    env = {"SHORTLIST_HOME": str(home), "PATH": f"{tools}:/usr/bin:/bin"}
    data = shortlist("config", "list", "--json", cwd=tmp_path, **env).json["data"]
    engines = {engine["name"]: engine for engine in data["engines"]}
    assert engines["llama-server"]["version"] == "6123"
    assert engines["gone"]["reason"] == "there is no program no-such-server"
    programs = {one["name"]: one for one in data["programs"]}
    assert programs["llama-server"]["path"] == str(program)
    assert programs["vllm"]["path"] is None
    assert "--endpoint" in programs["foundry"]["reason"]
    told = shortlist("doctor", "--no-chat", "--no-network", cwd=tmp_path, **env).out
    assert "llama-server 6123" in told
    assert "[engines.gone]" in told
