"""Reads values and examples out of the pages of the spec."""

from __future__ import annotations

import re
from pathlib import Path

SPEC = Path(__file__).resolve().parent.parent


def page(name: str) -> str:
    return (SPEC / name).read_text(encoding="utf-8")


def values(name: str) -> dict[str, bytes]:
    """The ```values blocks of a page."""
    found = {}
    for block in re.findall(r"```values\n(.*?)```", page(name), re.DOTALL):
        for line in block.splitlines():
            key, raw = line.split()
            found[key] = bytes.fromhex(raw)
    return found


def hex_examples(name: str) -> dict[str, bytes]:
    """The ```hex NAME blocks of a page."""
    blocks = re.findall(r"```hex (\w+)\n(.*?)```", page(name), re.DOTALL)
    return {key: bytes.fromhex(raw) for key, raw in blocks}


def variants(name: str) -> dict[str, bytes]:
    """The ```hex-variant NAME blocks of a page: further examples, names with hyphens."""
    blocks = re.findall(r"```hex-variant ([\w-]+)\n(.*?)```", page(name), re.DOTALL)
    return {key: bytes.fromhex(raw) for key, raw in blocks}


def section(name: str, heading: str) -> str:
    """The text from a heading to the next one of the same or a higher level."""
    text = page(name)
    level = heading.split(" ")[0]
    start = text.index(heading)
    end = re.compile(rf"^#{{1,{len(level)}}} ", re.MULTILINE).search(text, start + len(heading))
    return text[start : end.start() if end else len(text)]


def table_rows(text: str) -> list[list[str]]:
    """The rows of all tables in a text, without heads and rules."""
    rows = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        rule = lines[i + 1] if i + 1 < len(lines) else ""
        if line.startswith("|") and not set(line) <= set("|- ") and not (rule.startswith("|") and set(rule) <= set("|- ")):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
