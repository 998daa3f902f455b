"""Promise: what the pages quote of examples/kubernetes is there, word for word, and what they link to exists."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import pytest
import yaml

from example import EXAMPLE, KUSTOMIZATIONS, ROOT, built

PAGE = ROOT / "docs/kubernetes.md"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTES = [(path, text) for kind, path, text in FENCE.findall(PAGE.read_text()) if kind != "console"]


@pytest.mark.parametrize(("path", "text"), QUOTES)
def test_each_quote_is_a_part_of_its_file(path: str, text: str) -> None:
    assert path, f"name the file behind ```yaml:\n{text}"
    assert is_part(text, (EXAMPLE / path).read_text()), f"{path} has no longer:\n{text}"


def is_part(quote: str, whole: str) -> bool:
    """Whether the lines of `quote` follow one another in `whole`, indented alike."""
    wanted, lines = dedent(quote).splitlines(), whole.splitlines()
    places = range(len(lines) - len(wanted) + 1)
    return any(dedent("\n".join(lines[at : at + len(wanted)])).splitlines() == wanted for at in places)


def test_the_page_quotes_and_the_comparison_can_say_no() -> None:
    assert len(QUOTES) > 12
    assert is_part("b:\n  c\n", "a:\n  b:\n    c\n")
    assert not is_part("b:\n  c\n", "a:\n  b:\n      d\n")
    assert not is_part("a\nc\n", "a\nb\nc\n")


def has(whole: Any, part: Any) -> bool:
    """Whether `part` is what `whole` says, or a part of it."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and has(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(has(item, wanted) for item in whole) for wanted in part)
    return bool(whole == part)


def somewhere(whole: Any, part: Any) -> bool:
    if has(whole, part):
        return True
    inside = whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
    return any(somewhere(item, part) for item in inside)


def test_other_pages_say_what_the_example_says() -> None:
    pages = [path for path in (ROOT / "docs").glob("*.md") if path != PAGE]
    found = [(path.name, *fence) for path in pages for fence in FENCE.findall(path.read_text())]
    # YAML of other programs may be there as well.
    ours = re.compile(r"^kind:|Probe:|container", re.MULTILINE)
    # What names its file is compared with that one (test_migrating.py).
    quotes = [(name, text) for name, kind, path, text in found if kind == "yaml" and not path and ours.search(text)]
    assert "admin-port.md" in {name for name, _ in quotes}
    resources = [resource for name in KUSTOMIZATIONS for resource in built(name)]
    for name, text in quotes:
        assert somewhere(resources, yaml.safe_load(text)), f"{name} says other than examples/kubernetes:\n{text}"


@pytest.mark.parametrize("path", [PAGE, EXAMPLE / "README.md"])
def test_links_lead_somewhere(path: Any) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
    # The table of directories, and what is named in passing.
    for name in re.findall(r"`((?:config|base|migrate|components|overlays)/[\w./-]*)`", text):
        assert (EXAMPLE / name).exists(), name
