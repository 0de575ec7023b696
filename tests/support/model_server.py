"""A real HTTP server that plays the APIs which list models."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[BaseHTTPRequestHandler], None]


class ModelServer:
    """Serves ``routes``, by "METHOD /path" without the query, and keeps what it was asked; else 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.routes: dict[str, Reply] = {}
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def asked(self) -> list[str]:
        """The request lines without the protocol."""
        return [line for line, _, _ in self.requests]


def listed(**entry: object) -> object:
    """A list of models as OpenAI made it, with an entry for the model "m"."""
    return {"object": "list", "data": [{"id": "other", "max_model_len": 1}, {"id": "m", **entry}]}


def json_reply(body: object, status: int = 200, delay: float = 0.0) -> Reply:
    return reply(json.dumps(body).encode(), status, delay=delay)


def reply(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None, delay: float = 0.0, times: int = 1
) -> Reply:
    """Answer with a body, sent ``times`` times over without a length."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(delay)
        handler.send_response(status)
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        for _ in range(times):
            handler.wfile.write(body)

    return send


@contextmanager
def model_server() -> Generator[ModelServer, None, None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            seen.requests.append((f"{self.command} {self.path}", dict(self.headers), self.rfile.read(length)))
            route = seen.routes.get(f"{self.command} {self.path.partition('?')[0]}", reply(b"{}", 404))
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has seen enough
                route(self)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.block_on_close = False
    seen = ModelServer(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
