"""What a PromQL expression asks for, by its syntax tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser as promql

from definitions import TARGET_LABELS, values


@dataclass(frozen=True)
class Selector:
    """`name{label op value, …}`"""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


class Query:
    """A parsed expression; ValueError when it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.selectors: list[Selector] = []
        # Labels by which it groups, joins or renames, and those that it makes itself.
        self.labels: set[str] = set()
        self.made: set[str] = set()
        promql.walk(promql.parse(text), self._visit)

    def _visit(self, node: promql.Expr) -> None:
        if isinstance(node, promql.MatrixSelector):
            self._select(node.vector_selector)
        elif isinstance(node, promql.VectorSelector):
            self._select(node)
        elif isinstance(node, promql.AggregateExpr) and node.modifier:
            self.labels |= set(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
            self.labels |= set(node.modifier.matching.labels)
        elif isinstance(node, promql.Call) and node.func.name == "label_replace":
            made, source = (arg.val for arg in (node.args[1], node.args[3]) if isinstance(arg, promql.StringLiteral))
            self.made.add(made)
            self.labels.add(source)

    def _select(self, node: promql.VectorSelector) -> None:
        matchers = tuple((matcher.name, str(matcher.op), matcher.value) for matcher in node.matchers.matchers)
        selector = Selector(node.name or "", matchers)
        if selector not in self.selectors:
            self.selectors.append(selector)

    def breaches(self, samples: Mapping[str, frozenset[str]]) -> list[str]:
        """What it names that is not there; sentences."""
        found, known = [], set(TARGET_LABELS | self.made)
        for selector in self.selectors:
            if selector.name not in samples:
                found.append(f"no metric {selector.name}")
                continue
            known |= samples[selector.name]
            for label, op, value in selector.matchers:
                if label not in samples[selector.name]:
                    found.append(f"{selector.name} has no label {label}")
                possible = values(selector.name, label)
                named = {value} if op in ("MatchOp.Equal", "MatchOp.NotEqual") else set(value.split("|"))
                if possible is not None and not named <= possible:
                    found.append(f"{selector.name}: {label} is never {sorted(named - possible)}")
        found += [f"nothing here has a label {label}" for label in sorted(self.labels - known)]
        return found
