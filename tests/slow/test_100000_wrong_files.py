"""The long form of tests/test_wrong_files.py: 100,000 wrong files over all readers, and texts besides."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from fuzzing import Parser, Reader, attack, parse_or_refuse, parsers, readers, texts
from hypothesis import HealthCheck, given, settings

INPUTS = 100_000
TEXTS = 5_000
log = logging.getLogger(__name__)


@pytest.mark.slow
@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_many_mutated_files_are_read_or_refused_by_an_error_of_our_own(reader: Reader, tmp_path: Path) -> None:
    inputs = -(-INPUTS // len(readers()))
    outcomes = attack(reader, inputs, tmp_path, seed=1)
    log.info("%s: %d inputs, %s", reader.name, inputs, dict(outcomes))
    assert outcomes.total() == inputs
    assert not outcomes["refused without a word"]


@pytest.mark.slow
@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_many_texts_are_read_or_refused_by_an_error_of_our_own(parser: Parser) -> None:
    @settings(max_examples=TEXTS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(texts(parser))
    def holds(text: str) -> None:
        parse_or_refuse(parser, text)

    holds()
