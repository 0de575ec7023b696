"""Draws the picture of the README from the sample's own log: the tokens of each call with and without the plugin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

WIDTH, HEIGHT = 880, 380
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 66, 62
"""Pixels around the plot: numbers of the axis, nothing, legend, names of the agents."""
BAR = 19
STEP = 8_000
"""Tokens between two lines of the grid."""


@dataclass(frozen=True, slots=True)
class Call:
    """The tokens of one model call."""

    agent: str
    budget: int
    without: int
    sent: int


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one picture; bars, budgets and text have a contrast of 3 or more against the paper."""

    paper: str
    ink: str
    grid: str
    without: str
    sent: str
    budget: str


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#d8dee4", "#8c959f", "#0969da", "#bc4c00"),
    "dark": Theme("#0d1117", "#e6edf3", "#30363d", "#6e7681", "#58a6ff", "#f0883e"),
}


def calls_of(log: Path) -> list[Call]:
    """The calls in a log of both hooks: what the context left out of the history was in no request.

    Args:
        log: A file that a `FitLog` wrote.
    """
    left_out: dict[str, int] = {}
    calls: list[Call] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        fit = json.loads(line)
        if fit["type"] != "ContextFit":
            continue
        agent = fit["agent"]
        if fit["hook"] == "context":
            left_out[agent] = fit["tokens_before"] - fit["tokens_after"]
        else:
            without = fit["tokens_before"] + left_out.pop(agent, 0)
            calls.append(Call(agent, fit["budget"], without, fit["tokens_after"]))
    return calls


def draw(calls: Sequence[Call], window: int, theme: Theme) -> str:
    """The picture as SVG.

    Args:
        calls: The calls, first one first.
        window: Tokens that the model takes.
        theme: The colours.
    """
    top = -(-max(call.without for call in calls) // STEP) * STEP
    column = (WIDTH - LEFT - RIGHT) / len(calls)

    def x_of(call: float) -> float:
        return LEFT + call * column

    def y_of(tokens: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - tokens / top)

    parts = [
        *(_grid_line(y_of(tokens), tokens, theme) for tokens in range(0, top + 1, STEP)),
        *_legend(calls, theme),
    ]
    for number, call in enumerate(calls):
        middle = x_of(number + 0.5)
        parts += [
            _bar(middle - BAR - 1, y_of(call.without), y_of(0), theme.without, call.without),
            _bar(middle + 1, y_of(call.sent), y_of(0), theme.sent, call.sent),
            f'<path d="M{x_of(number + 0.08):.1f} {y_of(call.budget):.1f}H{x_of(number + 0.92):.1f}" '
            f'stroke="{theme.budget}" stroke-width="2.5"/>',
            _text(middle, HEIGHT - BOTTOM + 16, str(number + 1), theme.ink, anchor="middle"),
        ]
    if window < top:
        y = y_of(window)
        parts += [
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{theme.ink}" stroke-dasharray="5 4"/>',
            _text(LEFT + 6, y - 6, "the model's window", theme.ink),
        ]
    parts += _agents(calls, theme)
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12">\n'
        f"<title>{title(calls)}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{theme.paper}"/>\n{inner}\n</svg>\n'
    )


def title(calls: Sequence[Call]) -> str:
    """What the picture says, in one line."""
    without, sent = sum(call.without for call in calls), sum(call.sent for call in calls)
    return f"Input tokens of {len(calls)} model calls: {without:,} without the plugin, {sent:,} with it"


def _legend(calls: Sequence[Call], theme: Theme) -> list[str]:
    parts = [_text(LEFT, 24, title(calls), theme.ink, size=15, weight=600)]
    x = float(LEFT)
    for name, colour, height in (
        ("whole history", theme.without, 11),
        ("sent with the plugin", theme.sent, 11),
        ("budget of the agent", theme.budget, 3),
    ):
        parts.append(f'<rect x="{x:.1f}" y="{46 - height / 2 - 4:.1f}" width="16" height="{height}" fill="{colour}"/>')
        parts.append(_text(x + 22, 46, name, theme.ink))
        x += 50 + 6.4 * len(name)
    return parts


def _agents(calls: Sequence[Call], theme: Theme) -> list[str]:
    parts: list[str] = []
    column = (WIDTH - LEFT - RIGHT) / len(calls)
    y = HEIGHT - BOTTOM + 26
    for agent, numbers in groupby(range(len(calls)), lambda number: calls[number].agent):
        turn = list(numbers)
        start, end = LEFT + (turn[0] + 0.08) * column, LEFT + (turn[-1] + 0.92) * column
        parts.append(f'<path d="M{start:.1f} {y}H{end:.1f}" stroke="{theme.grid}" stroke-width="2"/>')
        parts.append(_text((start + end) / 2, y + 18, agent, theme.ink, anchor="middle"))
    return parts


def _grid_line(y: float, tokens: int, theme: Theme) -> str:
    line = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{theme.grid}"/>'
    return line + "\n" + _text(LEFT - 8, y + 4, f"{tokens:,}", theme.ink, anchor="end")


def _bar(x: float, top: float, bottom: float, colour: str, tokens: int) -> str:
    return (
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{BAR}" height="{bottom - top:.1f}" fill="{colour}">'
        f"<title>{tokens:,} tokens</title></rect>"
    )


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", size: int = 12, weight: int = 400
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}">{text}</text>'
    )
