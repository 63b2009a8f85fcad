"""A wrong file is refused by an error of the project's own; never a crash, a hang or a memory that grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing import Parser, Reader, attack, parse_or_refuse, parsers, readers, texts
from hypothesis import given, settings


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_a_mutated_file_is_read_or_refused_by_an_error_of_our_own(reader: Reader, tmp_path: Path) -> None:
    outcomes = attack(reader, 400, tmp_path)
    assert outcomes.total() == 400
    assert len(outcomes) > 1, "mutants are both read and refused; else nothing was tried"
    assert not outcomes["refused without a word"]


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_lines_in_any_order_with_any_text_are_read_or_refused_by_an_error_of_our_own(parser: Parser) -> None:
    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(texts(parser))
    def holds(text: str) -> None:
        parse_or_refuse(parser, text)

    holds()
