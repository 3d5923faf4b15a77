"""A real HTTP server on loopback that serves small files and misbehaves on demand.

    with Site() as site:
        site.put("/a.mp4", content, drop(1000), status(503))
        site.url("/a.mp4")

The faults of a file are used up one per request, then it is served as a good server does, with
ranges, ETag and If-Range. `forever(fault)` is never used up. `site.seen` lists all requests.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """A request, and how many bytes of a body went out for it."""

    path: str
    range: str | None
    if_range: str | None
    authorization: str | None = None
    proxy_authorization: str | None = None
    status: int = 0
    sent: int = 0
    at: float = field(default_factory=time.monotonic)


@dataclass
class Entity:
    """What stands at a path; tests may change it between requests."""

    content: bytes
    faults: list[Fault] = field(default_factory=list)
    ranges: bool = True
    etag: bool | str = True
    """Whether there is one; or which, whatever the content."""
    last_modified: str | None = None
    pause: float = 0.0
    """Seconds between two pieces of 64 kB."""

    @property
    def tag(self) -> str | None:
        if isinstance(self.etag, str):
            return self.etag
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"' if self.etag else None


class Site:
    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.seen: list[Seen] = []
        self.active = self.most_active = 0
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self

    def __enter__(self) -> Site:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, content: bytes, *faults: Fault, **options) -> Entity:
        self.entities[path] = Entity(content, list(faults), **options)
        return self.entities[path]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def of(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    site: Site

    def handle_error(self, *_: object) -> None:
        """A client that is gone is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.server.site
        names = ("Range", "If-Range", "Authorization", "Proxy-Authorization")
        asked = (self.headers[name] for name in names)
        self.now = Seen(self.path, *asked)
        with site.lock:
            site.seen.append(self.now)
            site.active += 1
            site.most_active = max(site.most_active, site.active)
            entity = site.entities.get(self.path)
            fault = self._fault(entity)
        try:
            if entity is None:
                self.answer(404, b"not here")
            elif fault is not None:
                fault(self, entity)
            else:
                self.serve(entity)
        except OSError:
            self.close_connection = True
        finally:
            with site.lock:
                site.active -= 1

    def do_HEAD(self) -> None:
        """As GET, but for the body."""
        self.do_GET()

    def _fault(self, entity: Entity | None) -> Fault | None:
        if entity is None or not entity.faults:
            return None
        fault = entity.faults[0]
        if not getattr(fault, "forever", False):
            entity.faults.pop(0)
        return fault

    def serve(self, entity: Entity, upto: int | None = None, **headers: str) -> None:
        """As a good server does; `upto`: so many bytes of the body, then the connection breaks."""
        start = self.asked(entity)
        total = len(entity.content)
        if start is not None and start >= total:
            self.answer(416, b"", Content_Range=f"bytes */{total}")
            return
        self.now.status = 200 if start is None else 206
        self.send_response(self.now.status)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        for name, value in self._describe(entity, total - (start or 0), headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.body(entity.content[start or 0 :][:upto], entity.pause)
        if upto is not None:
            self.cut()

    def asked(self, entity: Entity) -> int | None:
        """The first byte, if only the rest is asked for and given."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if found is None or not entity.ranges:
            return None
        condition = self.headers["If-Range"]
        if condition is not None and condition not in (entity.tag, entity.last_modified):
            return None
        return int(found[1])

    def _describe(self, entity: Entity, length: int, more: dict[str, str]) -> dict[str, str]:
        known = {
            "Content-Length": str(length),
            "ETag": entity.tag,
            "Last-Modified": entity.last_modified,
        }
        given = {name.replace("_", "-"): value for name, value in more.items()}
        return {name: value for name, value in (known | given).items() if value is not None}

    def answer(self, code: int, content: bytes, **headers: str) -> None:
        self.now.status = code
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.body(content)

    def body(self, content: bytes, pause: float = 0.0, piece: int = 1 << 16) -> None:
        if self.command == "HEAD":
            return
        for at in range(0, len(content), piece):
            part = content[at : at + piece]
            self.wfile.write(part)
            self.now.sent += len(part)
            if pause:
                time.sleep(pause)

    def cut(self, reset: bool = False) -> None:
        """End the connection; with a reset the other side's unread bytes are lost, too."""
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.close_connection = True


Fault = Callable[[_Handler, Entity], None]


def forever(fault: Fault) -> Fault:
    fault.forever = True  # type: ignore[attr-defined]
    return fault


def drop(after: int, reset: bool = False) -> Fault:
    """The connection breaks after so many bytes of the body."""

    def fault(handler: _Handler, entity: Entity) -> None:
        handler.serve(entity, upto=after)

    def hard(handler: _Handler, entity: Entity) -> None:
        handler.cut(reset=True)

    return hard if reset else fault


def status(code: int, **headers: str) -> Fault:
    return lambda handler, entity: handler.answer(code, b"no", **headers)


def redirect(to: str, code: int = 302) -> Fault:
    return forever(lambda handler, entity: handler.answer(code, b"", Location=to))


def states(length: int | None) -> Fault:
    """Another Content-Length than there are bytes, or none; then the connection ends."""

    def fault(handler: _Handler, entity: Entity) -> None:
        handler.now.status = 200
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.body(entity.content)
        handler.cut()

    return fault


def chunked(upto: int | None = None) -> Fault:
    """No length, in chunks; broken off after so many bytes."""

    def fault(handler: _Handler, entity: Entity) -> None:
        handler.now.status = 200
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("ETag", entity.tag or '""')
        handler.end_headers()
        content = entity.content[:upto]
        for at in range(0, len(content), 1000):
            piece = content[at : at + 1000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if upto is not None:
            handler.cut()
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return fault


def instead(content: bytes, **headers: str) -> Fault:
    """Another body, with a length of its own and status 200."""
    return lambda handler, entity: handler.answer(200, content, **headers)


def corrupt(at: int) -> Fault:
    """One byte is another one; ranges, ETag and all else are right."""

    def fault(handler: _Handler, entity: Entity) -> None:
        wrong = bytearray(entity.content)
        wrong[at] ^= 0xFF
        handler.serve(replace(entity, content=bytes(wrong), etag=entity.tag or False))

    return fault


def trickle(piece: int, seconds: float) -> Fault:
    """So few bytes at a time that it never ends."""

    def fault(handler: _Handler, entity: Entity) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(entity.content)))
        handler.end_headers()
        for at in range(0, len(entity.content), piece):
            handler.body(entity.content[at : at + piece])
            time.sleep(seconds)

    return fault


def silent(seconds: float) -> Fault:
    """No answer for so long, then the connection ends."""

    def fault(handler: _Handler, entity: Entity) -> None:
        time.sleep(seconds)
        handler.cut()

    return fault


def pieces(most: int) -> Fault:
    """A server that answers a range with its beginning only, as it may."""

    def fault(handler: _Handler, entity: Entity) -> None:
        start, total = handler.asked(entity) or 0, len(entity.content)
        part = entity.content[start : start + most]
        where = f"bytes {start}-{start + len(part) - 1}/{total}"
        handler.answer(206, part, Content_Range=where, ETag=entity.tag or "")

    return forever(fault)


def other_range(start: int) -> Fault:
    """A 206 with another part than was asked for."""

    def fault(handler: _Handler, entity: Entity) -> None:
        rest, total = entity.content[start:], len(entity.content)
        where = f"bytes {start}-{total - 1}/{total}"
        handler.answer(206, rest, Content_Range=where, ETag=entity.tag or "")

    return fault
