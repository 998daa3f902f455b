"""The front sends an application's bytes from where they are: the right ones, for no longer than it takes."""

import pytest

from samples import scrape
from server import Server, Starter, await_true

SIZES = {"small": 1000, "middle": 50_000, "large": 3_000_000, "larger": 16_000_000}
KEPT = {name: bytes(number % 251 for number in range(size)) for name, size in SIZES.items()}
TARGETS = {
    "/whole?name=small": KEPT["small"],
    "/whole?name=middle": KEPT["middle"],
    "/whole?name=large": KEPT["large"],
    "/cut?name=middle&length=49999": KEPT["middle"][:49_999],
    "/cut?name=large&length=70000": KEPT["large"][:70_000],
    "/pieces": KEPT["middle"] + b"small" + KEPT["large"] + KEPT["middle"],
    "/named": KEPT["middle"] + KEPT["large"],
    "/written": KEPT["middle"] + KEPT["large"],
}


def references(server: Server) -> list[int]:
    """To the body most referred to, and how many of a class of the application's are gone."""
    return [int(word) for word in server.ask("/references").body.split()]


@pytest.mark.parametrize("target", TARGETS)
def test_they_arrive_as_they_are_and_go_back(start: Starter, target: str) -> None:
    server = start("lent:application", "--threads", "2")
    (before, ended) = references(server)
    for _ in range(20):
        assert server.ask(target).body == TARGETS[target]
    expected = [before, ended + (40 if target == "/named" else 0)]
    await_true(lambda: references(server) == expected, "nobody refers to them any more")


def test_a_client_that_leaves_or_reads_nothing_gives_them_back(start: Starter) -> None:
    server = start("lent:application", "--threads", "2", "--admin-bind", "127.0.0.1:0")
    (before, _) = references(server)
    with server.connect() as reads_nothing:
        reads_nothing.request("/whole?name=larger")
        for _ in range(20):
            with server.connect() as leaves:
                leaves.request("/whole?name=large")
        # One waits, and what it waits for has gone to disk.
        await_true(lambda: references(server)[0] <= before, "nobody refers to them any more")
        await_true(lambda: scrape(server).get("monopod_spooled_bytes_total") > 0, "it waits on disk")
        assert reads_nothing.answer().body == KEPT["larger"]


def test_what_went_through_is_gone_without_another_request(start: Starter) -> None:
    server = start("lent:application", "--threads", "1")
    assert len(server.ask("/endless?count=16").body) == 16 * 65_536
    before = server.memory().total
    assert len(server.ask("/endless?count=3000").body) == 3000 * 65_536
    await_true(lambda: server.memory().total < before + (32 << 20), "of 188 MiB that went through")
