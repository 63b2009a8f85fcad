"""CHB-MIT's chbNN-summary.txt: the recordings of one case, each with its seizures in seconds from its start."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seizure_pipeline.annotations.seizures import Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.text import decoded, numbered

ENCODING = "latin-1"  # nothing but ASCII is understood
FILE = re.compile(r"File Name:\s*(\S.*)", re.IGNORECASE)
COUNT = re.compile(r"Number of Seizures in File:\s*(\d{1,4})", re.IGNORECASE | re.ASCII)
CLOCK = re.compile(r"File (Start|End) Time:\s*\d{1,3}:\d{2}:\d{2}", re.IGNORECASE | re.ASCII)
# The number is not used: the second seizure of chb09_08 ends in a line that says "Seizure 1 End Time".
EVENT = re.compile(
    r"Seizure(?:\s*\d{1,4})?\s*(Start|End) Time:\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:seconds|secs|s)?", re.IGNORECASE | re.ASCII
)
HEADING = re.compile(r"\*+|Data Sampling Rate:.*|Channels .*|Channel \d+:.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """The lines about one recording, as (line number, line)."""

    name: str
    lines: tuple[tuple[int, str], ...]


def parse_chb_mit_summary(raw: bytes, where: str, name: str) -> Annotation:
    """Seizures of the recording called `name` (such as chb02_16+.edf) in a summary that errors call `where`.

    Only the lines about that recording are interpreted. AnnotationError if it is not listed (which is not the same as
    seizure-free), listed twice, has a line that is not understood, or announces another number of seizures than it
    lists. A list of channels may stand anywhere; times of the file itself may be missing (chb24) and are not used.
    """
    found = [block for block in blocks_of(decoded(raw, where, ENCODING), where) if block.name == name]
    if not found:
        raise AnnotationError.of(where, f"{name} is not listed", "a recording that is not listed is not seizure-free")
    if len(found) > 1:
        raise AnnotationError.of(where, f"{name} is listed {len(found)} times", "a recording is listed once")
    return Annotation(Seizures(tuple(sorted(_events(found[0], where)))))


def blocks_of(text: str, where: str) -> list[Block]:
    """The blocks of a summary in their order, not yet interpreted."""
    blocks: list[tuple[str, list[tuple[int, str]]]] = []
    for number, line in numbered(text.split("\n"), 0):
        if found := FILE.fullmatch(line.strip()):
            blocks.append((found.group(1), []))
        elif HEADING.fullmatch(line.strip()):
            continue
        elif blocks:
            blocks[-1][1].append((number, line.strip()))
        else:
            rule = "before the first file stand the channels"
            raise AnnotationError.of(f"{where}, line {number}", "the line is not understood", rule)
    return [Block(name, tuple(lines)) for name, lines in blocks]


def _events(block: Block, where: str) -> list[Seizure]:
    counts: list[int] = []
    edges: list[tuple[str, float]] = []
    for number, line in block.lines:
        if found := COUNT.fullmatch(line):
            counts.append(int(found.group(1)))
        elif found := EVENT.fullmatch(line):
            edges.append((found.group(1).lower(), float(found.group(2))))
        elif not CLOCK.fullmatch(line):
            rule = "a line gives the file's times, its number of seizures, or a seizure's start or end"
            raise AnnotationError.of(f"{where}, line {number}", f"{block.name}: the line is not understood", rule)
    if len(counts) != 1:
        raise AnnotationError.of(where, f"{block.name} has {len(counts)} numbers of seizures", "it has one")
    if [kind for kind, _ in edges] != ["start", "end"] * counts[0]:
        value = f"{block.name} announces {counts[0]} seizures and lists {[kind for kind, _ in edges]}"
        raise AnnotationError.of(where, value, "each seizure announced has a start and an end, in turn")
    times_s = [time_s for _, time_s in edges]
    place = f"{where}: {block.name}"
    return [Seizure(*pair).checked(place) for pair in zip(times_s[::2], times_s[1::2], strict=True)]
