"""Files of many records of several lines, in the notations that tools print, and what a view says of each record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_TOWNS = ("Bergen", "Lisbon", "Gdansk", "Piraeus", "Haifa", "Odense", "Cadiz", "Split", "Tallinn", "Genoa", "Porto")
_CARGOES = ("salt", "timber", "coffee", "copper", "paper", "grain", "tiles", "wool")


@dataclass(frozen=True)
class Shipment:
    """One record: what names it, and its other fields."""

    key: str
    cargo: str
    port: str
    berth: int
    weight: int


SHIPMENTS = [
    Shipment(
        f"P-{4100 + 7 * number}",
        _CARGOES[number * 5 % 8],
        f"{_TOWNS[number * 3 % 11]} {number * 13 % 89}",
        number * 17 % 61,
        1_000 + number * 37 % 911,
    )
    for number in range(60)
]


def _yaml(one: Shipment) -> str:
    return f"- id: {one.key}\n  cargo: {one.cargo}\n  weight: {one.weight} kg\n  berth: {one.berth}\n  port: {one.port}"


def _yaml_of_keys(one: Shipment) -> str:
    return (
        f"  {one.key}:\n    cargo: {one.cargo}\n    weight: {one.weight} kg\n    place:\n"
        f"      berth: {one.berth}\n      port: {one.port}"
    )


def _yaml_key_below(one: Shipment) -> str:
    return f"- cargo: {one.cargo}\n  weight: {one.weight} kg\n  id: {one.key}\n  berth: {one.berth}\n  port: {one.port}"


def _xml(one: Shipment) -> str:
    return (
        f'  <shipment id="{one.key}">\n    <cargo>{one.cargo}</cargo>\n    <weight>{one.weight} kg</weight>\n'
        f"    <berth>{one.berth}</berth>\n    <port>{one.port}</port>\n  </shipment>"
    )


def _xml_of_elements(one: Shipment) -> str:
    return (
        f"<shipment>\n  <id>{one.key}</id>\n  <cargo>{one.cargo}</cargo>\n  <weight>{one.weight} kg</weight>\n"
        f"  <berth>{one.berth}</berth>\n  <port>{one.port}</port>\n</shipment>"
    )


def _flat_xml(one: Shipment) -> str:
    return _xml_of_elements(one).replace("\n  ", "\n")


def _markdown(one: Shipment) -> str:
    return (
        f"## Shipment {one.key}\n\nThe cargo is {one.cargo}, {one.weight} kg of it.\n\n- berth: {one.berth}\n"
        f"- port: {one.port}\n"
    )


def _dense_markdown(one: Shipment) -> str:
    return f"## {one.key}\n- cargo: {one.cargo}\n- weight: {one.weight} kg\n- berth: {one.berth}\n- port: {one.port}"


def _deep_markdown(one: Shipment) -> str:
    return (
        f"## Shipment {one.key}\n\n### Load\n\n- cargo: {one.cargo}\n- weight: {one.weight} kg\n\n"
        f"### Place\n\n- berth: {one.berth}\n- port: {one.port}\n"
    )


def _paragraph(one: Shipment) -> str:
    return f"Shipment: {one.key}\nCargo: {one.cargo}\nWeight: {one.weight} kg\nBerth: {one.berth}\nPort: {one.port}\n"


def _rows(one: Shipment) -> str:
    return _paragraph(one).rstrip()


def _listing(one: Shipment) -> str:
    return f"{one.key} ({one.cargo})\n    weight: {one.weight} kg\n    berth:  {one.berth}\n    port:   {one.port}"


def _numbered(text: str) -> str:
    return "\n".join(f"{number:6d}\t{row}" for number, row in enumerate(text.splitlines(), 1))


def _file(one: Callable[[Shipment], str], head: str = "", tail: str = "") -> str:
    return "\n".join([*filter(None, (head,)), *map(one, SHIPMENTS), *filter(None, (tail,))])


FILES = {
    "yaml": _file(_yaml, "shipments:"),
    "yaml of keys": _file(_yaml_of_keys, "shipments:"),
    "yaml, key below": _file(_yaml_key_below, "shipments:"),
    "yaml, numbered": _numbered(_file(_yaml, "shipments:")),
    "xml": _file(_xml, "<shipments>", "</shipments>"),
    "xml of elements": _file(_xml_of_elements),
    "flat xml": _file(_flat_xml, "<shipments>", "</shipments>"),
    "markdown": _file(_markdown, "# Shipments of the quarter\n"),
    "dense markdown": _file(_dense_markdown, "# Shipments of the quarter"),
    "deep markdown": _file(_deep_markdown, "# Shipments of the quarter\n"),
    "paragraphs": _file(_paragraph),
    "rows": _file(_rows),
    "listing": _file(_listing),
}
"""The same 60 records in each notation, without a line that is not in it."""

_KEY = re.compile(r"P-\d{4}")
_PORT = re.compile(rf"(?:{'|'.join(_TOWNS)}) \d+")
_LABEL = ("[", "read_file(")


def ports_by_key(text: str, *, marks_separate: bool = True) -> list[tuple[str, str]]:
    """Each port that a view gives to a record, as whoever reads it from top to bottom would take it.

    Args:
        text: The view.
        marks_separate: Whether a gap mark ends a record; else only the next id does, and what is quoted next. A port of
            which nothing says whose it is has the key "".
    """
    found: list[tuple[str, str]] = []
    key = ""
    for row in text.splitlines():
        if row.startswith(_LABEL) or (marks_separate and row == "…"):
            key = ""
        keys = _KEY.findall(row)
        key = keys[-1] if keys else key
        found += [(key, port) for port in _PORT.findall(row)]
    return found


def wrong(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that give a record the port of another one."""
    truth = {one.key: one.port for one in SHIPMENTS}
    return [(key, port) for key, port in pairs if key and truth[key] != port]
