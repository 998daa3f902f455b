"""A scrape of the metrics as numbers, read by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from server import Server

Key = tuple[str, frozenset[tuple[str, str]]]


class Samples:
    """The samples of one scrape; what is not there is 0."""

    def __init__(self, text: str) -> None:
        self._values: dict[Key, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float:
        """One sample."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str) -> float:
        """The sum over all labels."""
        return sum(value for (known, _), value in self._values.items() if known == name)

    def labels(self, name: str) -> list[dict[str, str]]:
        """The label sets of a name."""
        return [dict(labels) for known, labels in self._values if known == name]

    def since(self, before: Samples, *names: str) -> dict[tuple[str, ...], float]:
        """What has grown of `names`: their label values in the order of the labels' names, and by how much."""
        grown = {
            tuple(value for _, value in sorted(labels)): value - before.get(name, **dict(labels))
            for (name, labels), value in self._values.items()
            if name in names
        }
        return {labels: value for labels, value in grown.items() if value}


def scrape(server: Server) -> Samples:
    """What the admin port tells now."""
    answer = server.ask_admin("/metrics")
    assert answer.status == 200
    return Samples(answer.body.decode())
