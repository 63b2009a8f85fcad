"""Two folders of annotation files, anybody's, as recordings to score: pairing by recording, reading, holding together.

Files are csv_bi (`.csv_bi`, or `.csv` where no `.csv_bi` lies beside it: TUSZ's channel by channel) and events TSV
(`.tsv`, but not BIDS's tables of participants, samples, scans, sessions, channels and electrodes), mixed as they come.
Names that begin with a dot are left out.

A recording's name is its file's, without extension and without `_events` or `_eeg`. A name of BIDS (sub-01_...) or of
NEDC (aaaaaaaa_s001_t000) says which recording it is, wherever the file lies. Any other is taken with its folders: it
belongs to the file of the same relative path, or else to the only one whose path ends as its own or the other way round,
so that a flat folder belongs to a tree. Last, a hypothesis may bear its reference's path as its name, folders joined by
`_`: so the detection pipeline names what it finds in a tree of recordings.

The patient is the name's first part in NEDC, sub-XX of BIDS in the name or else in a folder, and for anything else the
folder in which the reference lies, by its whole path; directly in the root every recording is a patient of its own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from seizure_pipeline.annotations import AnnotationError, ListedEvents, list_csv_bi, list_events_tsv
from seizure_pipeline.corpora.listing import list_folder
from seizure_pipeline.scoring import ScoredRecording

Form: TypeAlias = Literal["csv_bi", "tsv"]
Key: TypeAlias = tuple[str, ...]
FORMS: dict[str, Form] = {".csv_bi": "csv_bi", ".csv": "csv_bi", ".tsv": "tsv"}
OTHER_TABLES = re.compile(r"(.*_)?(participants|samples|scans|sessions|channels|electrodes)")
NEDC_NAME = re.compile(r"([A-Za-z0-9]+)_s(\d+)_t(\d+)")  # patient, session, token
BIDS_NAME = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?(?:_[A-Za-z0-9]+-[A-Za-z0-9]+)*")
BIDS_FOLDER = re.compile(r"sub-[A-Za-z0-9]+")
LENGTHS_AGREE_S = 1e-4  # NEDC compares ends after rounding to 4 decimals
SHOWN = 10


class ScoredFilesError(ValueError):
    """Folders that cannot be scored; the message names the files concerned, ten of them at most, and the rule."""


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """One file: where it lies, what it is called below its root, its form, and what tells its recording from others."""

    path: str
    name: str
    form: Form
    key: Key

    @property
    def joined(self) -> set[str]:
        """The names of a file that was made of this path, from one of its folders on."""
        folders, own = self.name.split("/")[:-1], self.key[-1]
        return {"_".join([*folders[first:], own]) for first in range(len(folders))}

    @property
    def patient_id(self) -> str:
        """The patient, by the rule of this module."""
        own, folder = self.key[-1], self.name.rpartition("/")[0]
        if found := NEDC_NAME.fullmatch(own) or BIDS_NAME.fullmatch(own):
            return found.group(1)
        named = [part for part in folder.split("/") if BIDS_FOLDER.fullmatch(part)]
        return named[-1] if named else folder or own

    def listed(self) -> ListedEvents:
        """The events in it; raises AnnotationError or OSError."""
        with open(self.path, "rb", buffering=0) as file:
            raw = file.read()
        return (list_csv_bi if self.form == "csv_bi" else list_events_tsv)(raw, self.path)


@dataclass(frozen=True, slots=True)
class Pair:
    """A recording's reference and hypothesis; no hypothesis counts as no detection."""

    reference: AnnotationFile
    hypothesis: AnnotationFile | None

    @property
    def recording_id(self) -> str:
        """Its name, with the folders where the name alone does not say which recording it is."""
        return "/".join(self.reference.key)


def pair_files(reference: Path, hypothesis: Path, missing_as_empty: bool = False, only: Form | None = None) -> tuple[Pair, ...]:
    """The recordings of folder `reference` with their files in folder `hypothesis`; `only` files of one form are seen.

    Raises ScoredFilesError for a folder that is missing or holds no such file, two files for one recording, a recording
    without hypothesis (unless `missing_as_empty`), and a hypothesis whose recording is not in the reference."""
    references, hypotheses = _files(reference, only), _files(hypothesis, only)
    found, disputed = _matched(references, hypotheses)
    missing = [file.name for key, file in references.items() if key not in found]
    used = {file.key for file in found.values()}
    extra = [file.name for key, file in hypotheses.items() if key not in used]
    problems = []
    if missing and not missing_as_empty:
        what = f"no file in {hypothesis} for {_counted(missing, 'recording')} of {reference}"
        problems.append(f"{what}: {_named(missing)} (--missing-as-empty counts each as no detection)")
    if extra:
        problems.append(f"{_counted(extra, 'file')} of {hypothesis} for no recording of {reference}: {_named(extra)}")
    if doubts := [f"{hypotheses[other].name} of {references[key].name}" for key, other in disputed if other not in used]:
        problems.append(f"by their names these may belong together, and others as well: {_named(doubts)}")
    if problems:
        raise ScoredFilesError("; ".join(problems))
    return tuple(Pair(file, found.get(key)) for key, file in references.items())


def read_pairs(pairs: Sequence[Pair]) -> list[ScoredRecording]:
    """The recordings with their events in seconds, as the files list them, in the order of `pairs`.

    The reference says how long a recording is; a hypothesis TSV may leave it out. Raises ScoredFilesError naming every
    file, with the line, that cannot be read, and every pair whose lengths differ by 0.1 ms or more."""
    recordings, unread, unequal = [], [], []
    for pair in pairs:
        try:
            said = pair.reference.listed()
            found = ListedEvents((), None) if pair.hypothesis is None else pair.hypothesis.listed()
            if _lengths_differ(said, found):
                unequal.append(f"{pair.recording_id} ({said.duration_s} s, hypothesis {found.duration_s} s)")
            else:
                recordings.append(_recording(pair, said, found))
        except (AnnotationError, OSError) as error:
            unread.append(str(error))
    problems = [f"{_counted(unread, 'recording')} cannot be read: {_named(unread)}"] if unread else []
    if unequal:
        rule = "reference and hypothesis say how long it is to 4 decimals alike"
        problems.append(f"{_counted(unequal, 'recording')} of two lengths: {_named(unequal)}; {rule}")
    if problems:
        raise ScoredFilesError("; ".join(problems))
    return recordings


def _recording(pair: Pair, said: ListedEvents, found: ListedEvents) -> ScoredRecording:
    where = pair.reference.path
    if said.duration_s is None:
        raise AnnotationError.of(where, "no recordingDuration", "a reference says in its first row how long the recording is")
    detections = [] if pair.hypothesis is None else found.within(said.duration_s, pair.hypothesis.path)
    reference = said.within(said.duration_s, where)
    return ScoredRecording(pair.recording_id, pair.reference.patient_id, said.duration_s, reference, detections)


def _lengths_differ(said: ListedEvents, found: ListedEvents) -> bool:
    if said.duration_s is None or found.duration_s is None:
        return False
    return round(abs(said.duration_s - found.duration_s), 6) >= LENGTHS_AGREE_S  # 100.0001 - 100.0 is a little less


def _files(root: Path, only: Form | None) -> dict[Key, AnnotationFile]:
    """The annotation files below a folder by the keys of their recordings."""
    if not root.is_dir():
        raise ScoredFilesError(f"{root}: no such folder")
    by_key: dict[Key, list[AnnotationFile]] = defaultdict(list)
    for name in _chosen([facts.path for facts in list_folder(root)]):
        stem, _, extension = name.rpartition(".")
        form = FORMS[f".{extension}"]
        if only in (None, form):
            file = AnnotationFile(f"{root}/{name}", name, form, _key(stem))
            by_key[file.key].append(file)
    if not by_key:
        endings = [extension for extension, form in FORMS.items() if only in (None, form)]
        raise ScoredFilesError(f"{root}: holds no file that ends in {', '.join(endings)}")
    if twice := [file.name for files in by_key.values() if len(files) > 1 for file in files]:
        rule = "a recording has one (--only csv_bi or --only tsv takes files of one form)"
        raise ScoredFilesError(f"{root}: more than one file for a recording: {_named(twice)}; {rule}")
    return {key: files[0] for key, files in by_key.items()}


def _chosen(names: list[str]) -> list[str]:
    listed = set(names)
    return [name for name in names if _holds_events(name) and not (name.endswith(".csv") and f"{name}_bi" in listed)]


def _holds_events(name: str) -> bool:
    own = name.rpartition("/")[2]
    stem, _, extension = own.rpartition(".")
    return f".{extension}" in FORMS and bool(stem) and own[0] != "." and not OTHER_TABLES.fullmatch(stem)


def _key(stem: str) -> Key:
    *folders, own = stem.split("/")
    own = own.removesuffix("_events").removesuffix("_eeg")
    if NEDC_NAME.fullmatch(own) or BIDS_NAME.fullmatch(own):
        return (own,)
    return (*folders, own)


def _matched(
    references: dict[Key, AnnotationFile], hypotheses: dict[Key, AnnotationFile]
) -> tuple[dict[Key, AnnotationFile], list[tuple[Key, Key]]]:
    """The hypothesis file of each reference key that has one, and the keys that fit together by a name that others fit too."""
    found = {key: hypotheses[key] for key in references if key in hypotheses}
    others: dict[str, list[Key]] = defaultdict(list)
    for key in hypotheses:
        if key not in references:
            others[key[-1]].append(key)
    alike = [(key, other) for key in references if key not in found for other in others[key[-1]] if _one_ends_other(key, other)]
    found |= {key: hypotheses[other] for key, other in _split(alike)[0]}
    used = {file.key for file in found.values()}
    flat: dict[str, Key] = {key[-1]: key for key in hypotheses if len(key) == 1 and key not in used}
    unfound = [(key, file) for key, file in references.items() if key not in found]
    joined: list[tuple[Key, Key]] = [(key, flat[name]) for key, file in unfound for name in file.joined & flat.keys()]
    found |= {key: hypotheses[other] for key, other in _split(joined)[0]}
    return found, _split(alike)[1] + _split(joined)[1]


def _split(pairs: list[tuple[Key, Key]]) -> tuple[list[tuple[Key, Key]], list[tuple[Key, Key]]]:
    """The pairs of which neither side stands in another one, and the others."""
    claims = Counter(key for pair in pairs for key in pair)
    disputed = [pair for pair in pairs if claims[pair[0]] > 1 or claims[pair[1]] > 1]
    return [pair for pair in pairs if pair not in disputed], disputed


def _one_ends_other(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]


def _counted(items: Sequence[str], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _named(items: Iterable[str]) -> str:
    """The first ten of `items`, and how many more there are."""
    names = list(items)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
