"""Bar charts as SVG files, one for each figure of docs/performance.md. They follow the reader's light or dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
LABELS = 150
"""Left of the bars, for names."""
NUMBERS = 90
"""Right of the longest bar, for its number."""
ROW = 22
TOP = 34
LONGEST = 12.0
"""A bar of more than so many times the shortest is cut, with a gap in it, or the short ones would look alike."""

STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600 } .number { fill: #666 }
.bar { fill: #b4bcc6 } .ours { fill: #d9730d } .mark { fill: #dfe3e8 } .gap { stroke: #fff; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .number { fill: #aaa } .bar { fill: #5a636e } .mark { fill: #3b424a } .gap { stroke: #0d1117 }
}"""


@dataclass(frozen=True)
class Bar:
    name: str
    value: float
    kind: str
    """ours, bar, or mark for what is no server."""


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def chart(title: str, bars: Sequence[Bar]) -> str:
    """Shortest first: less is better in all of them."""
    ordered = sorted(bars, key=lambda bar: bar.value)
    servers = [bar.value for bar in ordered if bar.kind != "mark"] or [1.0]
    longest = min(max(bar.value for bar in ordered), LONGEST * max(min(servers), 1e-9))
    scale = (WIDTH - LABELS - NUMBERS) / max(longest, 1e-9)
    height = TOP + ROW * len(ordered) + 6
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title, quote=True)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="16">{escape(title)}</text>',
    ]
    for row, bar in enumerate(ordered):
        top = TOP + ROW * row
        length = max(1.0, min(bar.value, longest) * scale)
        middle = top + ROW / 2 + 1
        parts += [
            f'<text x="{LABELS - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect class="{bar.kind}" x="{LABELS}" y="{top + 4}" width="{length:.1f}" height="{ROW - 6}"/>',
            f'<text class="number" x="{LABELS + length + 6:.1f}" y="{middle + 4:.0f}">{number(bar.value)}</text>',
        ]
        if bar.value > longest:
            cut = LABELS + length - 24
            parts.append(f'<line class="gap" x1="{cut:.1f}" y1="{top + ROW}" x2="{cut + 8:.1f}" y2="{top}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
