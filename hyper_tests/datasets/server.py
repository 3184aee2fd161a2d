"""A real web server that serves files by ranges, and fails as it is told to."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Served:
    """`files` by path. Each answer may be cut after so many bytes (`cuts`, first come first served), reset at once
    (0), or be an error (`statuses`). `requests` holds the Range header of each request, None without one."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    has_ranges: bool = True
    has_length: bool = True
    url: str = ""
    requests: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    def __init__(self, served: Served, *args: Any) -> None:
        self.served = served
        super().__init__(*args)  # which answers

    def do_GET(self) -> None:
        served, wanted = self.served, self.headers.get("Range")
        served.requests.append(wanted)
        if served.statuses:
            self.send_error(served.statuses.pop(0))
        elif self.path not in served.files:
            self.send_error(404)
        else:
            self.send_part(served.files[self.path], wanted)

    def send_part(self, content: bytes, wanted: str | None) -> None:
        served = self.served
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "") if served.has_ranges else None
        start = int(found[1]) if found else 0
        if found and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if served.has_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = served.cuts.pop(0) if served.cuts else len(content)
        self.wfile.write(content[start : start + cut])
        self.wfile.flush()
        if cut == 0:  # what has been sent is thrown away as well
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing it waits for them


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve on a free port of this machine until the context ends."""
    with Server(("127.0.0.1", 0), partial(Handler, served)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
