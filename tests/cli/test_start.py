"""Starting: help is quick because it loads nothing heavy; what is mistyped is told with its neighbours."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.commands import MAIN, shortlist

HEAVY = (
    "xllamacpp",
    "numpy",
    "sqlalchemy",
    "rich",
    "matplotlib",
    "uvloop",
    "httptools",
    "psutil",
    "msgspec",
    "tomlkit",
)
SHOW_MODULES = f"""
import atexit, sys
atexit.register(lambda: print("MODULES", *sorted(sys.modules)))
{MAIN}
"""


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["-h"]])
def test_help_loads_no_engine_no_plotting_no_sqlalchemy_no_rich(args: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SHOW_MODULES, *args], capture_output=True, text=True, check=True)
    loaded = done.stdout.partition("MODULES")[2].split()
    assert "shortlist.cli" in loaded
    assert [name for name in loaded if name.split(".")[0] in HEAVY or name.startswith("shortlist.engines")] == []


def test_help_names_every_command_and_each_has_help_of_its_own(tmp_path: Path) -> None:
    from shortlist.cli import COMMANDS

    top = shortlist("--help", cwd=tmp_path)
    for name in COMMANDS:
        assert f"\n  {name} " in top.out
        assert "Usage: shortlist" in shortlist(name, "--help", cwd=tmp_path).out


def test_a_mistyped_command_option_or_run_is_an_error_with_the_nearest_names(tmp_path: Path) -> None:
    command = shortlist("bnech", cwd=tmp_path)
    assert (command.code, command.out) == (2, "")
    assert "did you mean bench?" in command.err
    option = shortlist("bench", "--round", "3", cwd=tmp_path)
    assert option.code == 2
    assert "--rounds" in option.err
    run = shortlist("runs", "show", "last", cwd=tmp_path)
    assert run.code == 2
    assert "error:" in run.err


def test_help_fits_80_columns(tmp_path: Path) -> None:
    for args in (["--help"], ["bench", "--help"], ["runs", "export", "--help"]):
        assert max(map(len, shortlist(*args, cwd=tmp_path).out.splitlines())) <= 80
