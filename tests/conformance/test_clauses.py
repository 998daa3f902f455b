"""Promise: every clause of PEP 3333 that binds a server holds for monopod.

`MONOPOD_BINARY` is the binary. The page docs/wsgi-conformance.md knows every clause, or compare.py is due.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from clauses import CLAUSES, Clause
from pep3333 import ROOT, kinds, tables
from pep3333.subject import Subject
from pep3333.verdict import PASSED, judge


@pytest.fixture(scope="session")
def subject() -> Iterator[Subject]:
    binary = Path(os.environ.get("MONOPOD_BINARY", "")).absolute()
    assert binary.is_file(), "MONOPOD_BINARY must name the binary"
    with Subject(kinds.monopod(binary, Path(sys.prefix))) as subject:
        yield subject
        for log in subject.logs():
            assert "panicked at" not in log, log


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.id)
def test_clause(subject: Subject, clause: Clause) -> None:
    verdict = judge(clause.test, subject)
    assert verdict.outcome == PASSED, f"PEP 3333, {clause.section}: “{clause.sentence}”: {verdict.reason}"


def test_no_id_and_no_test_is_there_twice() -> None:
    counts = Counter(clause.id for clause in CLAUSES) + Counter(clause.test_name for clause in CLAUSES)
    assert [name for name, count in counts.items() if count > 1] == []


def test_the_page_knows_every_clause() -> None:
    page = (ROOT / "docs" / "wsgi-conformance.md").read_text(encoding="utf-8")
    missing = [clause.id for clause in CLAUSES if tables.beginning(clause) not in page]
    assert missing == [], "run tests/conformance/compare.py"
