"""The static files under load: a stylesheet and a script, written once into target/bench-static.

Their compressed siblings come from `monopod compress`, for every server the same ones. No file ever changes between two
runs, so what a server sends is compared with what lies here, byte for byte.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "target" / "bench-static"
"""The root of servers that serve nothing else."""
DIRECTORY = ROOT / "static"
"""The same files for servers that are told URL prefix and directory."""
SUFFIXES = {"br": ".br", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True)
class Asset:
    name: str
    make: Callable[[], bytes]

    @property
    def url(self) -> str:
        return f"/static/{self.name}"

    def write(self, directory: Path = DIRECTORY) -> None:
        """Leaves a file alone that is right already, and with it the siblings."""
        path = directory / self.name
        content = self.make()
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)

    def encoded(self, coding: str) -> bytes | None:
        """The file itself for `identity`, or its sibling; None when there is none."""
        path = DIRECTORY / self.name
        if coding != "identity":
            if coding not in SUFFIXES:
                return None
            path = path.with_name(path.name + SUFFIXES[coding])
        return path.read_bytes() if path.exists() else None


def stylesheet() -> bytes:
    """2 KiB of rules, which brotli makes a quarter of."""
    chance = random.Random(1)
    blocks = ["page", "nav", "card", "form", "table", "note", "list", "menu", "dialog", "toast", "badge", "hero"]
    parts = ["title", "body", "item", "foot", "icon", "text", "link"]
    lengths = ["margin", "padding", "gap", "width", "border-radius", "font-size", "line-height", "top"]
    rules = (
        f".{chance.choice(blocks)}-{chance.choice(parts)} {{ {chance.choice(lengths)}: {chance.randrange(1, 80)}px; "
        f"color: #{chance.getrandbits(24):06x}; background: #{chance.getrandbits(24):06x}; }}\n"
        for _ in range(32)
    )
    return cut("".join(rules), 2048)


def script() -> bytes:
    """1 MiB that brotli makes a quarter of, as it does of a bundle of many libraries."""
    chance = random.Random(1)
    letters = "baconelfogethaniskeylomaponprerosetupvalxy"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 8))) for _ in range(430)]
    frequencies = list(itertools.accumulate(1 / (rank + 1) ** 0.92 for rank in range(len(words))))
    lines: list[str] = []
    size = 0
    while size < 1 << 20:
        a, b, c, d = chance.choices(words, cum_weights=frequencies, k=4)
        line = chance.choice(
            (
                f"function {a}{len(lines)}({b},{c}){{return {b}.{d}({c},{chance.randrange(1000)})}}\n",
                f"const {a}{len(lines)}=({b})=>{b}.{c}?{d}[{chance.randrange(64)}]:null;\n",
                f'if({a}.{b}!=={c})throw new Error("{d} {chance.choice(words)} {chance.choice(words)}");\n',
                f'exports.{a}={{{b}:{chance.randrange(10000)},{c}:"{chance.getrandbits(10):x}"}};\n',
            )
        )
        lines.append(line)
        size += len(line)
    return cut("".join(lines), 1 << 20)


def cut(text: str, size: int) -> bytes:
    assert len(text) >= size
    return text[:size].encode()


SMALL = Asset("site.css", stylesheet)
LARGE = Asset("bundle.js", script)
ASSETS = (SMALL, LARGE)
DOWNLOAD = Asset("download.bin", lambda: random.Random(2).randbytes(10 << 20))
"""What apps/file_wrapper.py hands to the server: in `ROOT`, as no server of static files is asked for it."""
