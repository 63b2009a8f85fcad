"""Siena's Seizures-list-PNxx.txt: clock times of seizures and of the registrations that hold them, written by hand.

What the published lists are known to hold besides the usual block, and how it is read:

- the file's name and times before the first seizure, or not repeated for the next one (PN01, PN12): the last said holds;
- "Start time:" for "Seizure start time:", ':' for '.', blanks inside a time, "(in sleep)" behind the number: read;
- the letter O for the zero in a name (PNO6-1.edf): read;
- two times, or words beside a time (PN10), a seizure outside its registration (PN00-3): refused, never guessed;
- a registration's start that is not the EDF's (PN05-3, PN14-3): refused by whoever knows the EDF, from `start_s`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from seizure_pipeline.annotations.seizures import Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.text import decoded, numbered, shown

DAY_S = 86_400
ENCODING = "latin-1"  # nothing but ASCII is understood
HEAD = re.compile(r"Seizure\s*n\.?\s*(\d{1,3})\s*(\([^()]*\))?\s*:?", re.IGNORECASE | re.ASCII)
FILE = re.compile(r"File\s*name\s*:\s*(\S.*)", re.IGNORECASE)
TIME = re.compile(r"(Registration\s*|Seizure\s*)?(start|end)\s*time\s*:\s*(.*)", re.IGNORECASE)
CLOCK = re.compile(r"(\d{1,2})(?: ?[.:] ?| )(\d{2})(?: ?[.:] ?| )(\d{2})", re.ASCII)
HEADING = re.compile(r"(Data Sampling Rate|Channels?)\b.*|\*+", re.IGNORECASE)
LETTER_FOR_ZERO = re.compile(r"(?<=^pn)o(?=\d)")
REGISTRATION = ("registration start", "registration end")
SEIZURE = ("seizure start", "seizure end")


@dataclass
class Block:
    """What a list says about one seizure, as text: `times` by what they are, `names` of the files it may lie in.

    `said` are the times that its own lines give; the others are taken over from the lines before."""

    title: str = ""
    times: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether both times of the seizure are there."""
        return self.said.issuperset(SEIZURE)

    @property
    def is_about_a_seizure(self) -> bool:
        """Whether the block has a seizure's number or times, and not only what the next one takes over."""
        return bool(self.title) or not self.said.isdisjoint(SEIZURE)

    def next(self, title: str) -> Block:
        """The block that follows: it takes over the file and its registration."""
        return Block(title, {key: self.times[key] for key in REGISTRATION if key in self.times}, self.names[-1:])

    def put_into(self, name: str) -> None:
        """Take the file `name`; a registration taken over from another file goes, a seizure's time cannot."""
        if self.names and normal(self.names[-1]) != normal(name):
            if self.said:
                self.trouble(f"files {shown(self.names[-1])} and {shown(name)}")
                self.names.append(name)
                return
            self.times.clear()
        self.names[:] = [name]

    def tell(self, key: str, text: str) -> None:
        """Take one of the four times."""
        if key in self.said:
            self.trouble(f"two {key} times, {shown(self.times[key])} and {shown(text)}")
        self.said.add(key)
        self.times[key] = text

    def trouble(self, value: str) -> None:
        """Remember the first thing that is not understood."""
        self.problem = self.problem or value


def parse_siena_list(raw: bytes, where: str, *names: str) -> Annotation:
    """Seizures of the recording that the list calls by one of `names`, such as PN00-1.edf, and its registration's start.

    AnnotationError if it is not listed, or if what is said about any seizure of it is not understood or impossible: a
    time missing or no single clock time, a line that is none of the list's, a seizure not within its registration.
    """
    blocks = blocks_of(decoded(raw, where, ENCODING))
    if nameless := [block for block in blocks if not block.names]:
        value, rule = f"{nameless[0].title or 'a seizure'} names no file", "each seizure lies in a file of the list"
        raise AnnotationError.of(where, value, rule)
    wanted = {normal(name) for name in names}
    found = [block for block in blocks if wanted & {normal(name) for name in block.names}]
    if not found:
        listed = ", ".join(dict.fromkeys(shown(name) for block in blocks for name in block.names))
        rule = "a recording that is not listed is not seizure-free"
        raise AnnotationError.of(where, f"{names[0]} is not listed (listed are {listed or 'none'})", rule)
    read = [_seizure(block, f"{where}: {block.title or 'a seizure'} of {names[0]}") for block in found]
    starts_s = {start_s for start_s, _ in read}
    if len(starts_s) > 1:
        rule = "a recording has one start"
        raise AnnotationError.of(where, f"{names[0]} has registration starts {[b.times[REGISTRATION[0]] for b in found]}", rule)
    return Annotation(Seizures(tuple(sorted(seizure for _, seizure in read))), start_s=starts_s.pop())


def normal(name: str) -> str:
    """A file's name in lower case, with the zero that a letter O stands for."""
    return LETTER_FOR_ZERO.sub("0", name.strip().lower())


def clock_s(text: str, what: str, where: str) -> int:
    """Seconds since midnight of one clock time; AnnotationError for anything beside it."""
    found = CLOCK.fullmatch(text) or CLOCK.fullmatch(text.replace(" ", ""))
    hour, minute, second = (int(part) for part in found.groups()) if found else (24, 0, 0)
    if hour > 23 or minute > 59 or second > 59:
        raise AnnotationError.of(where, f"{what} time is {shown(text)}", "it is one clock time such as 19.58.36")
    return 3600 * hour + 60 * minute + second


def blocks_of(text: str) -> list[Block]:
    """One block per seizure of a list; a block takes over what was said before it and not said anew."""
    current = Block()
    blocks = [current]
    for number, written in numbered(text.split("\n"), 0):
        line = " ".join(written.split())  # which also keeps the patterns above from trying every way to part many blanks
        if head := HEAD.fullmatch(line):
            current = current.next(f"seizure n {head.group(1)}")
            blocks.append(current)
        elif found := FILE.fullmatch(line):
            if current.is_complete:  # a file's name before the next "Seizure n"
                current = Block()
                blocks.append(current)
            current.put_into(found.group(1))
        elif found := TIME.fullmatch(line):
            current.tell(f"{(found.group(1) or 'seizure').strip()} {found.group(2)}".lower(), found.group(3))
        elif current.title and not HEADING.fullmatch(line):
            current.trouble(f"line {number} is not understood")
    return [block for block in blocks if block.is_about_a_seizure]


def _seizure(block: Block, where: str) -> tuple[int, Seizure]:
    """(clock time of the registration's start, seizure in seconds from it); times past midnight go on into the next day."""
    if block.problem or not block.title:
        value = block.problem or "times without a seizure's number"
        raise AnnotationError.of(where, value, "a block holds one file's name, the four times and nothing else")
    keys = (*REGISTRATION, *SEIZURE)
    if missing := [key for key in keys if key not in block.times]:
        raise AnnotationError.of(where, f"no {' and no '.join(missing)} time", "a seizure has four times")
    start_s, *times_s = (clock_s(block.times[key], key, where) for key in keys)
    length_s, onset_s, offset_s = ((time_s - start_s) % DAY_S for time_s in times_s)
    if not onset_s < offset_s <= length_s:
        said = [block.times[key] for key in keys]
        rule = f"a seizure ends after it begins and lies within its registration, {said[0]} to {said[1]}"
        raise AnnotationError.of(where, f"from {said[2]} to {said[3]}", rule)
    return start_s, Seizure(float(onset_s), float(offset_s))
