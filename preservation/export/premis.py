"""PREMIS 3.0 (loc.gov/standards/premis/v3): items, bitstreams, events and agents as one XML document.

Elements stand in the order that the schema's sequences ask for. What XML 1.0 can't hold (2.2) is
written as ``[U+0000]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from preservation.export.evidence import Evidence
from preservation.model.canonical import instant
from preservation.model.tables import Row

NAMESPACE = "http://www.loc.gov/premis/v3"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Tree = tuple[str, "str | list[Tree]"]
"""An element: its name, and its text or its children."""


def premis(evidence: Evidence) -> bytes:
    """The document."""
    for prefix, uri in (("premis", NAMESPACE), ("xsi", _XSI)):
        ET.register_namespace(prefix, uri)
    root = ET.Element(f"{{{NAMESPACE}}}premis", {"version": "3.0"})
    rows = evidence.contents.rows
    for item_id in evidence.item_ids:
        _append(root, ("object", list(_entity(evidence, item_id))), kind="intellectualEntity")
    for sha256, found in _bitstreams(rows["objects"]).items():
        _append(root, ("object", list(_bitstream(evidence, sha256, found))), kind="file")
    for row in rows["events"]:
        _append(root, ("event", list(_event(row, set(evidence.item_ids)))))
    for agent in sorted({str(row["agent"]) for row in rows["events"]} | {evidence.facts.software}):
        _append(root, ("agent", _agent(agent)))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _append(parent: ET.Element, tree: Tree, *, kind: str | None = None) -> None:
    name, content = tree
    attributes = {f"{{{_XSI}}}type": f"premis:{kind}"} if kind else {}
    element = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    if isinstance(content, str):
        element.text = _FORBIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", content)
    else:
        for child in content:
            _append(element, child)


def _identifier(of: str, kind: str, value: object) -> Tree:
    return (
        f"{of}Identifier",
        [(f"{of}IdentifierType", kind), (f"{of}IdentifierValue", str(value))],
    )


def _entity(evidence: Evidence, item_id: str) -> Iterator[Tree]:
    """An item (PREMIS: intellectual entity)."""
    yield _identifier("object", "UUID", item_id)
    row = next(iter(evidence.contents.of_item("items", item_id)), None)
    name = (row["submitted_url"] or row["submitted_file_name"]) if row else None
    if name is not None:
        yield ("originalName", str(name))
    bitstreams = evidence.contents.of_item("objects", item_id)
    yield from _related("structural", "has part", {str(row["sha256"]) for row in bitstreams})
    for event in evidence.contents.of_item("events", item_id):
        yield _identifier("linkingEvent", "UUID", event["event_id"])


def _bitstreams(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["sha256"]), []).append(row)
    return found


def _bitstream(evidence: Evidence, sha256: str, rows: list[Row]) -> Iterator[Tree]:
    """One bitstream (PREMIS: file), whatever it is to how many items."""
    row = rows[0]
    yield _identifier("object", "SHA-256", sha256)
    for role in sorted({str(one["role"]) for one in rows}):
        yield (
            "significantProperties",
            [("significantPropertiesType", "role"), ("significantPropertiesValue", role)],
        )
    yield (
        "objectCharacteristics",
        [
            ("compositionLevel", "1" if row["content_encoding"] else "0"),
            _fixity("SHA-256", row["sha256"]),
            _fixity("SHA-512", row["sha512"]),
            ("size", str(row["size_bytes"])),
            ("format", [("formatDesignation", [("formatName", _format(row))])]),
        ],
    )
    if row["target_uri"] is not None:
        yield ("originalName", str(row["target_uri"]))
    if sha256 in evidence.contents.objects:
        place = [("contentLocationType", "bag"), ("contentLocationValue", f"data/objects/{sha256}")]
        yield ("storage", [("contentLocation", list(place))])
    yield from _related("structural", "is part of", {str(one["item_id"]) for one in rows}, kind="UUID")
    made = evidence.contents.rows["derivations"]
    sources = {str(one["source_sha256"]) for one in made if one["derived_sha256"] == sha256}
    yield from _related("derivation", "has source", sources)


def _related(kind_of: str, how: str, others: Iterable[str], *, kind: str = "SHA-256") -> Iterator[Tree]:
    for other in sorted(others):
        yield (
            "relationship",
            [
                ("relationshipType", kind_of),
                ("relationshipSubType", how),
                _identifier("relatedObject", kind, other),
            ],
        )


def _fixity(algorithm: str, value: object) -> Tree:
    return ("fixity", [("messageDigestAlgorithm", algorithm), ("messageDigest", str(value))])


def _format(row: Row) -> str:
    return str(row["observed_format"] or row["content_type"] or "application/octet-stream")


def _event(row: Row, items: set[str]) -> Iterator[Tree]:
    moment = row["event_at"]
    yield _identifier("event", "UUID", row["event_id"])
    yield ("eventType", str(row["event_type"]))
    yield ("eventDateTime", instant(moment) if isinstance(moment, datetime) else str(moment))
    yield ("eventDetailInformation", [("eventDetail", str(row["detail_json"]))])
    yield ("eventOutcomeInformation", [("eventOutcome", str(row["outcome"]))])
    yield _identifier("linkingAgent", "name", row["agent"])
    if row["item_id"] in items:
        yield _identifier("linkingObject", "UUID", row["item_id"])


def _agent(name: str) -> list[Tree]:
    program, _, version = name.partition("/")
    about: list[Tree] = [
        _identifier("agent", "name", name),
        ("agentName", program),
        ("agentType", "software"),
    ]
    return [*about, ("agentVersion", version)] if version else about
