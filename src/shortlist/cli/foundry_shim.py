"""`shortlist foundry install-shim`: an executable named `foundry`, for clients that look for one on PATH."""

import shutil
import sys
from pathlib import Path

import click

from shortlist.cli.output import emit, say
from shortlist.errors import BadInput

_MARK = "written by: shortlist foundry install-shim"
_CODE = "import sys; from shortlist.cli import main; sys.argv[0] = {quote}foundry{quote}; main()"
_POSIX = """\
#!/bin/sh
# {mark}
exec {python} -P -c '{code}' "$@"
"""
_WINDOWS = """\
@rem {mark}\r
@"{python}" -P -c "{code}" %*\r
"""


@click.command(name="install-shim")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(*, folder: Path) -> None:
    """Write an executable named foundry into DIR that calls `shortlist foundry`.

    A file of that name that this command did not write is not replaced. On Windows it is foundry.cmd, and foundry.exe
    beside it, since Python clients find nothing but an .exe.
    """
    place = folder.expanduser().resolve()
    made = {place / name: content for name, content in _files().items()}
    for path in made:
        _check(path)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path, content in made.items():
            aside = path.with_name(f".{path.name}.new")
            aside.write_bytes(content)
            aside.chmod(0o755)
            aside.replace(path)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error.strerror}", hint="name a folder of yours") from None
    for path in made:
        emit(f"wrote {path}")
    _say_path(place)


def _files() -> dict[str, bytes]:
    python = sys.executable
    files = {
        "foundry": _POSIX.format(mark=_MARK, python=_quoted(python), code=_CODE.format(quote='"')).encode(),
        "foundry.cmd": _WINDOWS.format(mark=_MARK, python=python, code=_CODE.format(quote="'")).encode(),
    }
    if sys.platform == "win32":
        launcher = Path(python).with_name("shortlist.exe")  # which names itself after its file
        if launcher.is_file():
            files["foundry.exe"] = launcher.read_bytes()
    return files


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _check(path: Path) -> None:
    """Raise BadInput for a file that somebody else put there."""
    if not path.exists() and not path.is_symlink():
        return
    beside = path.with_suffix(".cmd")
    ours = beside if path.suffix == ".exe" else path
    try:
        is_ours = not path.is_symlink() and _MARK.encode() in ours.read_bytes()[:4096]
    except OSError:
        is_ours = False
    if not is_ours:
        raise BadInput(f"{path} is there already, and is not one of ours", hint="name another folder, or remove it")


def _say_path(place: Path) -> None:
    found = shutil.which("foundry")
    if found is not None and Path(found).parent.resolve() == place:
        say("it is the one that PATH finds")
        return
    first = f"set PATH={place};%PATH%" if sys.platform == "win32" else f'export PATH="{place}:$PATH"'
    say(f"put it on PATH, before others: {first}")
    if found is not None:
        say(f"note: PATH finds {found} now")
