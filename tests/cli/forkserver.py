"""A process that has Shortlist imported and forks for each command: a fresh interpreter's cost is paid once a session.

Each command still is a process of its own, with its own arguments, folder, environment and descriptors. What reads its
environment while it is imported (huggingface_hub) is not among what is imported here.
"""

import array
import gc
import importlib
import io
import json
import os
import pkgutil
import socket
import struct
import sys
from collections.abc import Sequence

import shortlist

_LIBRARIES = (
    "idna",
    "jsonschema",
    "numpy.ma",
    "rich.live",
    "rich.progress",
    "rich.table",
    "sqlite3",
    "sqlalchemy.dialects.sqlite",
    "uvloop",
)
_LENGTH = struct.Struct("!i")


def _receive(server: socket.socket) -> tuple[dict[str, object], list[int]]:
    """A request and the three descriptors that came with it. Raises EOFError when the tests are over."""
    descriptors = array.array("i")
    data, ancillary, _, _ = server.recvmsg(_LENGTH.size, socket.CMSG_SPACE(3 * descriptors.itemsize))
    if not data:
        raise EOFError
    for _, _, part in ancillary:
        descriptors.frombytes(part)
    (length,) = _LENGTH.unpack(data)
    body = bytearray()
    while len(body) < length:
        body += server.recv(length - len(body))
    return json.loads(body), list(descriptors)


def _become(request: dict[str, object], descriptors: Sequence[int]) -> None:
    """Take over what a fresh process would have been given."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    sys.argv = ["shortlist", *request["args"]]  # type: ignore[misc]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def serve(server: socket.socket) -> bool:
    """Fork per request, tell the child's pid, then how it ended. True: this is a child, which has become a command."""
    while True:
        try:
            request, descriptors = _receive(server)
        except EOFError:
            return False
        child = os.fork()
        if child == 0:
            server.close()
            _become(request, descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        server.sendall(_LENGTH.pack(child))
        _, status = os.waitpid(child, 0)
        server.sendall(_LENGTH.pack(os.waitstatus_to_exitcode(status)))


def _main() -> None:
    ours = (module.name for module in pkgutil.walk_packages(shortlist.__path__, "shortlist."))
    for name in (*_LIBRARIES, *(name for name in ours if not name.endswith(("_child", "__main__")))):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    if serve(server):
        from shortlist.cli import main

        main()


if __name__ == "__main__":
    _main()
