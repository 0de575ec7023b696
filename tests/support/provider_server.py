"""A real HTTP server that plays OpenAI, Anthropic and Ollama, and refuses what they refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

from autogen_ext_tokenctx.models.counters import counter_for_model

from .provider_rules import Json, Rules, anthropic_rules, ollama_rules, openai_rules, rules_of


class ToolCall(NamedTuple):
    """A tool call of a reply."""

    id: str
    name: str
    arguments: Json


_SNAPSHOTS = {"gpt-4o": "gpt-4o-2024-08-06"}
"""What serves a model that is asked for by its short name."""

_COUNTER = counter_for_model("gpt-4o")

Reply = str | list[ToolCall]
Script = Callable[[Json], Reply]


@dataclass
class ProviderServer:
    """What was asked of the server and what it refused; `script` answers what it takes.

    Args:
        url: Where it listens.
        script: The reply to a request.
        requests: The JSON of all requests, refused ones too.
        refusals: What was wrong with those it refused.
    """

    url: str
    script: Script = lambda request: "ok"
    requests: list[Json] = field(default_factory=list[Json])
    refusals: list[str] = field(default_factory=list[str])


class _Api(NamedTuple):
    """How one provider writes errors and replies."""

    rules: Callable[[str], Rules]
    error: Callable[[Json, str], Json]
    reply: Callable[[Json, Reply], Json]
    stream: Callable[[Json], Iterator[bytes]]


def _tokens(request: Json) -> int:
    """What is billed: the texts by a real tokenizer, and a few tokens for each."""
    return sum(_billed(text) for text in _texts([request["messages"], request.get("tools")]))


@lru_cache(maxsize=4_096)
def _billed(text: str) -> int:
    return _COUNTER.count_text(text) + 3


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in cast(Json, value).values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in cast(list[Any], value):
            yield from _texts(part)


def _openai_error(request: Json, message: str) -> Json:
    if rules_of(request["model"]) is openai_rules:
        return {"error": {"message": message, "type": "invalid_request_error", "param": "messages", "code": None}}
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}


def _openai_calls(calls: list[ToolCall]) -> list[Json]:
    return [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
        for c in calls
    ]


def _openai_reply(request: Json, reply: Reply) -> Json:
    called = not isinstance(reply, str)
    message: Json = {"role": "assistant", "content": None if called else reply}
    if called:
        message["tool_calls"] = _openai_calls(reply)
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if called else "stop", "logprobs": None}
    usage = {"prompt_tokens": _tokens(request), "completion_tokens": 9, "total_tokens": _tokens(request) + 9}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": _SNAPSHOTS.get(request["model"], request["model"]),
        "choices": [choice],
        "usage": usage,
    }


def _openai_stream(reply: Json) -> Iterator[bytes]:
    """Server-sent events: the message in one chunk, why it ends, then the usage in a chunk without a choice."""
    choice = reply["choices"][0]
    delta: Json = choice["message"]
    if "tool_calls" in delta:
        delta = {**delta, "tool_calls": [{"index": i, **call} for i, call in enumerate(delta["tool_calls"])]}
    chunk: Json = {**reply, "object": "chat.completion.chunk", "usage": None}
    parts: list[Json] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        {"choices": [], "usage": reply["usage"]},
    ]
    for changes in parts:
        yield f"data: {json.dumps({**chunk, **changes})}\n\n".encode()
    yield b"data: [DONE]\n\n"


def _anthropic_error(request: Json, message: str) -> Json:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}, "request_id": "req_1"}


def _anthropic_reply(request: Json, reply: Reply) -> Json:
    called = not isinstance(reply, str)
    content: list[Json] = (
        [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in reply]
        if called
        else [{"type": "text", "text": reply}]
    )
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": "tool_use" if called else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": _tokens(request), "output_tokens": 9},
    }


def _ollama_reply(request: Json, reply: Reply) -> Json:
    called = not isinstance(reply, str)
    message: Json = {"role": "assistant", "content": "" if called else reply}
    if called:
        message["tool_calls"] = [{"function": {"name": c.name, "arguments": c.arguments}} for c in reply]
    return {
        "model": request["model"],
        "created_at": "2026-01-01T00:00:00Z",
        "message": message,
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": _tokens(request),
        "eval_count": 9,
    }


def _line(reply: Json) -> Iterator[bytes]:
    """A stream of one JSON line, as Ollama has them."""
    yield json.dumps(reply).encode() + b"\n"


def _anthropic_rules(model: str) -> Rules:
    return anthropic_rules


def _ollama_rules(model: str) -> Rules:
    return ollama_rules


def _ollama_error(request: Json, message: str) -> Json:
    return {"error": message}


_APIS: dict[str, _Api] = {
    "/v1/chat/completions": _Api(rules_of, _openai_error, _openai_reply, _openai_stream),
    "/v1/messages": _Api(_anthropic_rules, _anthropic_error, _anthropic_reply, _line),
    "/api/chat": _Api(_ollama_rules, _ollama_error, _ollama_reply, _line),
}


def _handler(server: ProviderServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection serves many requests
        wbufsize = -1  # headers and body go out together

        def do_POST(self) -> None:
            request: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api = _APIS[self.path.partition("?")[0]]
            server.requests.append(request)
            refused = next(api.rules(request["model"])(request), None)
            if refused is not None:
                server.refusals.append(refused)
                self._send(400, json.dumps(api.error(request, refused)).encode())
                return
            reply = api.reply(request, server.script(request))
            if request.get("stream"):
                self._send(200, b"".join(api.stream(reply)), "text/event-stream")
            else:
                self._send(200, json.dumps(reply).encode())

        def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler


@contextmanager
def provider_server() -> Generator[ProviderServer, None, None]:
    """Serve on a free port of this machine."""
    server = ProviderServer("")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    httpd.daemon_threads = True
    httpd.block_on_close = False
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
