"""Texts that nobody reads: encoded data, dumps, vectors, drawings, minified code."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping

_DRAW = random.Random(7)
_BYTES = _DRAW.randbytes(3_000)


def _dump(data: bytes) -> str:
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    return "\n".join(f"{16 * n:08x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}" for n, row in enumerate(rows))


def _xxd(data: bytes) -> str:
    rows = [data[at : at + 16] for at in range(0, len(data), 16)]
    return "\n".join(f"{16 * n:08x}: {row.hex(' ', 2)}  {'.' * 16}" for n, row in enumerate(rows))


def _vector(size: int) -> list[float]:
    return [round(_DRAW.uniform(-1, 1), 8) for _ in range(size)]


def _svg() -> str:
    curves = "".join(f"C{_DRAW.random() * 90:.2f} {_DRAW.random() * 90:.2f},4.1 7.25,8 {n}.5" for n in range(90))
    return f'<svg viewBox="0 0 90 90"><path d="M1.5 2.5{curves}Z"/></svg>'


def _bundle() -> str:
    parts = (f"function a{n}(e,t){{return e[{n}]?t.call(e,{n}):r(t)}}var b{n}=a{n}(i,{n});" for n in range(90))
    return f"!function(){{{''.join(parts)}}}();"


NOISE: Mapping[str, tuple[str, str]] = {
    "base64": ("base64", base64.b64encode(_BYTES).decode()),
    "base64 in rows": ("base64", base64.encodebytes(_BYTES).decode()),
    "base64 in JSON": ("base64", json.dumps({"name": "scan.png", "data": base64.encodebytes(_BYTES).decode()})),
    "hex": ("hex", _BYTES.hex()),
    "hex dump": ("hex dump", _dump(_BYTES)),
    "xxd": ("hex dump", _xxd(_BYTES)),
    "embedding": ("vector", json.dumps(_vector(384))),
    "embeddings in JSON": ("vector", json.dumps([{"id": f"doc-{n}", "embedding": _vector(96)} for n in range(4)])),
    "SVG path": ("SVG path", _svg()),
    "minified bundle": ("minified code", _bundle()),
}
"""By kind: how a mark names it, and the text."""
