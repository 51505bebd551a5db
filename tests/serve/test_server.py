"""The sockets: both loopback addresses on one port, TLS, a port that is taken, an end in order."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve import certificates
from shortlist.serve.door import tls_context
from shortlist.serve.server import Listen, Server, open_sockets


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def serving(listen: Listen, use: Callable[[Server], None]) -> None:
    async def main() -> None:
        server = Server(app, listen)
        await server.start()
        try:
            await asyncio.to_thread(use, server)
        finally:
            await server.stop(1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port))

    asyncio.run(main())


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_both_loopback_addresses_answer_on_one_port() -> None:
    def use(server: Server) -> None:
        hosts = ["127.0.0.1", *(["::1"] if has_ipv6() else [])]
        assert [url.rpartition(":")[2] for url in server.urls] == [str(server.port)] * len(hosts)
        for host in hosts:
            connection = http.client.HTTPConnection(host, server.port, timeout=10)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"ok"
            connection.close()

    serving(Listen(port=0), use)


def test_a_taken_port_is_an_error_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            open_sockets(("127.0.0.1", "::1"), port)
    if has_ipv6():
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                open_sockets(("127.0.0.1", "::1"), port)
            open_sockets(("127.0.0.1",), port)[0].close()  # the first one was given back


def test_tls_by_files(tmp_path: Path) -> None:
    pair = certificates.make(tmp_path)

    def use(server: Server) -> None:
        assert server.urls[0] == f"https://127.0.0.1:{server.port}"
        trusted = ssl.create_default_context(cafile=pair.cert)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trusted)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"
        connection.close()

    serving(Listen(port=0, tls=tls_context(pair.cert, pair.key)), use)
