"""python3 benches/load/nginx_oracle.py: monopod and nginx answer the same to ranges and conditions, or it is known why not.

Both serve the files of the static scenarios and are asked the same, thousands of made-up combinations of method, coding,
Range, If-Range and the four conditions; tags and dates are those the asked server gave itself. What is compared is what a
client acts on: status, coding, Content-Range, and the bytes, each part of several on its own. Where the two differ, one
entry of `KNOWN` has to say why. Exit code: 0 they agree, 1 they differ, 64 wrong arguments, 69 something needed is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import email.utils
import http.client
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import assets
import environment
from process import Process, ServerError, free_port
from request import FileRequest
from scenarios import SCENARIOS
from servers import SERVERS, Place

SERVERS_ASKED = ("monopod", "nginx")
CODINGS = ("", "br", "gzip", "br, gzip", "identity")
DAY = 86_400

# Placeholders for what only the asked server knows: its tag of the representation, and its date.
TAG, OTHER_CODINGS_TAG, DATE, EARLIER, LATER = "{tag}", "{other}", "{date}", "{earlier}", "{later}"
STRANGE = '"none-of-this-server"'


@dataclass(frozen=True)
class Question:
    asset: assets.Asset
    method: str
    coding: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def __contains__(self, name: str) -> bool:
        return self.header(name) is not None

    def __str__(self) -> str:
        fields = "; ".join(f"{name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.asset.name} [{self.coding or 'no coding'}] {fields}"


@dataclass(frozen=True)
class Part:
    first: int
    last: int
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a client makes of an answer."""

    status: int
    coding: str
    size: int | None
    """Of the representation, where the answer tells."""
    parts: tuple[Part, ...]
    """None of a HEAD, nor where there is no such body."""

    def __str__(self) -> str:
        ranges = ", ".join(f"{part.first}-{part.last}" for part in self.parts)
        return f"{self.status} {self.coding} of {self.size}: {ranges or 'no body'}"


def covered(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """What they cover, in order: overlapping ranges may be sent as one (RFC 9110 15.3.7.2)."""
    spans: list[tuple[int, int]] = []
    for part in sorted(parts, key=lambda part: part.first):
        if spans and part.first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], part.last))
        else:
            spans.append((part.first, part.last))
    return spans


def same(one: Answer, other: Answer) -> bool:
    """The bytes of every part have been held against the file by then."""
    alike = (one.status, one.coding, one.size) == (other.status, other.coding, other.size)
    return alike and covered(one.parts) == covered(other.parts)


class Odd(Exception):
    """An answer that contradicts itself; one sentence."""


class Asked:
    """One server, and what it says of each representation."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.known: dict[tuple[str, str], Message] = {}

    def send(self, question: Question, headers: dict[str, str]) -> tuple[int, Message, bytes]:
        try:
            return self.exchange(question, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            # After its last answer it closed the connection, and had not said so.
            self.connection.close()
            return self.exchange(question, headers)

    def exchange(self, question: Question, headers: dict[str, str]) -> tuple[int, Message, bytes]:
        self.connection.putrequest(question.method, question.asset.url, skip_accept_encoding=True)
        if question.coding:
            self.connection.putheader("Accept-Encoding", question.coding)
        for name, value in headers.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def validators(self, asset: assets.Asset, coding: str) -> Message:
        key = (asset.name, coding)
        if key not in self.known:
            status, headers, _ = self.send(Question(asset, "GET", coding, ()), {})
            if status != 200 or not headers["ETag"] or not headers["Last-Modified"]:
                raise Odd(f"{self.name} gives no validators for {asset.name}: {status}")
            self.known[key] = headers
        return self.known[key]

    def fill(self, question: Question, value: str) -> str:
        own = self.validators(question.asset, question.coding)
        moment = email.utils.parsedate_to_datetime(own["Last-Modified"]).timestamp()
        other = self.validators(question.asset, "identity" if "br" in question.coding else "br")
        for placeholder, filled in (
            (TAG, own["ETag"]),
            (OTHER_CODINGS_TAG, other["ETag"]),
            (DATE, own["Last-Modified"]),
            (EARLIER, email.utils.formatdate(moment - DAY, usegmt=True)),
            (LATER, email.utils.formatdate(moment + DAY, usegmt=True)),
        ):
            value = value.replace(placeholder, filled)
        return value

    def ask(self, question: Question) -> Answer:
        filled = {name: self.fill(question, value) for name, value in question.headers}
        status, headers, body = self.send(question, filled)
        coding = headers.get("Content-Encoding", "identity") if status in (200, 206) else ""
        return read(question, status, coding, headers, body)


def read(question: Question, status: int, coding: str, headers: Message, body: bytes) -> Answer:
    """Holds the answer against the file, too: two servers may agree and both be wrong."""
    if status not in (200, 206, 416):
        if status in (304, 412) and "Content-Range" in headers:
            raise Odd(f"{status} with a Content-Range")
        return Answer(status, coding, None, ())
    if status == 416:
        found = re.fullmatch(r"bytes \*/(\d+)", headers.get("Content-Range", ""))
        if found is None:
            raise Odd("416 without the size")
        return Answer(status, coding, int(found[1]), ())
    content = question.asset.encoded(coding)
    if content is None:
        raise Odd(f"coding {coding}, which has no file")
    size = len(content)
    if status == 200:
        if int(headers["Content-Length"]) != size:
            raise Odd(f"200 of {headers['Content-Length']} bytes, the file has {size}")
        parts = () if question.method == "HEAD" else (Part(0, size - 1, body),)
    elif question.method == "HEAD":
        return Answer(status, coding, size, ())
    else:
        parts = tuple(parts_of(headers, body))
    for part in parts:
        if part.body != content[part.first : part.last + 1]:
            raise Odd(f"bytes {part.first}-{part.last} are not those of the file")
    return Answer(status, coding, size, parts)


def parts_of(headers: Message, body: bytes) -> Iterator[Part]:
    if one := headers.get("Content-Range"):
        yield part(one, body)
        return
    boundary = headers.get_boundary()
    if headers.get_content_type() != "multipart/byteranges" or boundary is None:
        raise Odd("206 without Content-Range and without parts")
    pieces = body.split(b"--" + boundary.encode())
    if pieces[0].strip() or pieces[-1].strip() != b"--":
        raise Odd("parts that do not begin and end with the boundary")
    for piece in pieces[1:-1]:
        head, _, rest = piece.partition(b"\r\n\r\n")
        found = re.search(rb"(?im)^content-range: (.*?)\r?$", head)
        if found is None:
            raise Odd("a part without Content-Range")
        yield part(found[1].decode(), rest.removesuffix(b"\r\n"))


def part(content_range: str, body: bytes) -> Part:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range)
    if found is None:
        raise Odd(f"Content-Range: {content_range}")
    first, last = int(found[1]), int(found[2])
    if len(body) != last - first + 1:
        raise Odd(f"{len(body)} bytes for {content_range}")
    return Part(first, last, body)


# The questions.


def ranges(chance: random.Random, size: int) -> str:
    near = lambda: max(0, chance.choice((0, 1, size // 2, size - 1, size, size + 1, chance.randrange(size))))  # noqa: E731

    def spec() -> str:
        kind = chance.randrange(12)
        if kind < 6:
            first = near()
            return f"{first}-{first + chance.choice((0, 1, 9, 99, size))}"
        if kind < 8:
            return f"{near()}-"
        if kind < 10:
            return f"-{chance.choice((1, 10, size - 1, size, size + 1))}"
        return chance.choice(("-0", "9-1", "x-1", "-", "", "1", "--1", f"{2**64}-", f"0-{2**64}", "+1-2", "0x1-2"))

    count = chance.choice((1, 1, 1, 1, 2, 2, 3, 5))
    unit = chance.choice(("bytes=",) * 9 + ("Bytes=", "items=", "bytes:"))
    return unit + chance.choice((",", ", ")).join(spec() for _ in range(count))


TAGS = (TAG, STRANGE, OTHER_CODINGS_TAG, "*", f"{STRANGE}, {TAG}", f"W/{TAG}", f"{STRANGE}, W/{TAG}", "nonsense", "")
DATES = (DATE, EARLIER, LATER, "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "")


def question(chance: random.Random) -> Question:
    asset = chance.choice(assets.ASSETS) if chance.random() < 0.2 else assets.SMALL
    coding = chance.choice(CODINGS)
    headers: list[tuple[str, str]] = []
    if chance.random() < 0.75:
        headers.append(("Range", ranges(chance, len(asset.encoded("br") or b""))))
        if chance.random() < 0.4:
            headers.append(("If-Range", chance.choice((TAG, STRANGE, OTHER_CODINGS_TAG, f"W/{TAG}", *DATES))))
    for name, values, share in (
        ("If-None-Match", TAGS, 0.25),
        ("If-Modified-Since", DATES, 0.25),
        ("If-Match", TAGS, 0.15),
        ("If-Unmodified-Since", DATES, 0.15),
    ):
        if chance.random() < share:
            headers.append((name, chance.choice(values)))
    chance.shuffle(headers)
    return Question(asset, chance.choice(("GET", "GET", "GET", "HEAD")), coding, tuple(headers))


@dataclass(frozen=True)
class Known:
    """A difference that is meant."""

    why: str
    applies: Callable[[Question, Answer, Answer], bool]
    """(question, monopod's answer, nginx's)."""


def has_empty_member(asked: Question) -> bool:
    specs = (asked.header("Range") or "").partition("=")[2]
    return any(not spec.strip() for spec in specs.split(","))


KNOWN: tuple[Known, ...] = (
    Known(
        "Range is defined for GET alone (RFC 9110 14.2); nginx answers HEAD by it",
        lambda asked, ours, theirs: (
            asked.method == "HEAD" and "Range" in asked and ours.status == 200 and theirs.status in (206, 416)
        ),
    ),
    Known(
        "nginx has no ranges of files in a coding; RFC 9110 14.2 has them for every representation",
        lambda asked, ours, theirs: theirs.coding not in ("", "identity") and "Range" in asked and theirs.status == 200,
    ),
    Known(
        "several ranges with more bytes together than the file: nginx sends the file, monopod what they cover",
        lambda asked, ours, theirs: (
            ours.status == 206 and theirs.status == 200 and "," in (asked.header("Range") or "")
        ),
    ),
    Known(
        "a Range with an invalid member may be ignored or refused (RFC 9110 14.2): monopod ignores it, nginx refuses",
        lambda asked, ours, theirs: ours.status == 200 and theirs.status == 416,
    ),
    Known(
        "one invalid member makes the whole Range invalid (RFC 9110 14.1.1); nginx leaves out one whose end comes first",
        lambda asked, ours, theirs: (
            ours.status == 200 and theirs.status == 206 and "9-1" in (asked.header("Range") or "")
        ),
    ),
    Known(
        "a position past 64 bits is past the end, or the end (RFC 9110 14.1.2); nginx refuses the whole Range",
        lambda asked, ours, theirs: (
            ours.status == 206 and theirs.status == 416 and str(2**64) in (asked.header("Range") or "")
        ),
    ),
    Known(
        "empty members of a list are skipped (RFC 9110 5.6.1.2); nginx refuses",
        lambda asked, ours, theirs: ours.status == 206 and theirs.status == 416 and has_empty_member(asked),
    ),
    Known(
        "a date is no strong validator where several codings of a file have the same (RFC 9110 13.1.5); nginx goes by it",
        lambda asked, ours, theirs: (
            asked.header("If-Range") == DATE and ours.status == 200 and theirs.status in (206, 416)
        ),
    ),
    Known(
        "If-Unmodified-Since that is no date is ignored (RFC 9110 13.1.4); nginx takes it for one long ago",
        lambda asked, ours, theirs: asked.header("If-Unmodified-Since") in ("yesterday", "") and theirs.status == 412,
    ),
    Known(
        "If-Unmodified-Since is ignored beside If-Match (RFC 9110 13.1.4); nginx wants both",
        lambda asked, ours, theirs: "If-Unmodified-Since" in asked and "If-Match" in asked and theirs.status == 412,
    ),
    Known(
        "If-Modified-Since is ignored beside If-None-Match (RFC 9110 13.1.3); nginx wants both",
        lambda asked, ours, theirs: "If-Modified-Since" in asked and "If-None-Match" in asked and ours.status == 304,
    ),
)


def main() -> int:
    made = argparse.ArgumentParser(prog="nginx_oracle.py", description="Ranges and conditions beside nginx.")
    made.add_argument("--cases", type=int, default=20_000)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--monopod", type=Path)
    arguments = made.parse_args()
    try:
        venv = environment.need_venv(sys.executable, [], [])
        monopod = environment.find_monopod(arguments.monopod, venv)
        environment.need_parts_of(SERVERS["nginx"])
        environment.need_assets([SCENARIOS["static_small"]], monopod)
    except environment.Missing as error:
        print(f"nginx_oracle.py: {error}", file=sys.stderr)
        return 69
    try:
        return 0 if agree(Place(venv, monopod), arguments.cases, arguments.seed) else 1
    except ServerError as error:
        print(f"nginx_oracle.py: {error}", file=sys.stderr)
        return 69


def agree(place: Place, cases: int, seed: int = 1) -> bool:
    """Start both and ask them; what they say is printed. Raises `ServerError`."""
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours, theirs = (serve(stack, name, place, logs) for name in SERVERS_ASKED)
        return compare(ours, theirs, cases, random.Random(seed))


def serve(stack: contextlib.ExitStack, name: str, place: Place, logs: Path) -> Asked:
    scenario, port = SCENARIOS["static_small"], free_port()
    command = SERVERS[name].start(place, scenario.app, port, 1)
    process = stack.enter_context(Process([*command, *scenario.server_options.get(name, ())], logs / name, None))
    process.wait_ready(FileRequest(assets.SMALL), port)
    asked = Asked(name, port)
    stack.callback(asked.connection.close)
    return asked


def compare(ours: Asked, theirs: Asked, cases: int, chance: random.Random) -> bool:
    outcomes: Counter[str] = Counter()
    unknown = 0
    for _ in range(cases):
        asked = question(chance)
        answers = []
        for server in (ours, theirs):
            try:
                answers.append(server.ask(asked))
            except Odd as odd:
                print(f"{asked}\n    {server.name} is wrong: {odd}")
                answers.append(Answer(0, str(odd), None, ()))
        if same(*answers) and answers[0].status:
            outcomes[f"both {answers[0].status}"] += 1
            continue
        known = next((known.why for known in KNOWN if known.applies(asked, answers[0], answers[1])), None)
        if known is not None and answers[0].status:
            outcomes[known] += 1
            continue
        unknown += 1
        if unknown <= 20:
            print(f"{asked}\n    monopod {answers[0]}\n    nginx   {answers[1]}")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6} {outcome}")
    # Of so many questions each difference must come up, or its entry excuses what is no longer so.
    idle = [known.why for known in KNOWN if known.why not in outcomes and cases >= 5000]
    for why in idle:
        print(f"never seen: {why}")
    print(f"{cases} questions, {unknown} differences that nobody explained")
    return not unknown and not idle


if __name__ == "__main__":
    sys.exit(main())
