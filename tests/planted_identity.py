"""Somebody's identity in a recording and beside it, and the search for it in everything that is written afterwards."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path

import edfio
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

NAME = ("Quantocka", "Zebuline")
CODE = "MRN77431942"
BIRTH = date(1951, 3, 2)
BIRTHS = ("02-MAR-1951", "1951-03-02", "02.03.1951", "02.03.51", "2-MAR-1951", "19510302")
ADMISSION, TECHNICIAN = "PSG8863-1204", "Xanthippe_Oddbody"
PLANTED = (*NAME, CODE, *BIRTHS, ADMISSION, *TECHNICIAN.split("_"))
PATIENT = slice(8, 88)
RECORDING = slice(88, 168)
FREE_TEXT = f"{' '.join(NAME)} ({CODE}), born 02.03.1951, sleeps; {TECHNICIAN}"
PNG = b"\x89PNG"
EMBEDDED = re.compile(rb"base64,([A-Za-z0-9+/=]+)")


def plant(path: Path) -> None:
    """Write who was recorded into a recording's header, a signal's free text and an EDF+ annotation, as edfio does it."""
    recording = edfio.read_edf(path)
    recording.patient = edfio.Patient(code=CODE, sex="F", birthdate=BIRTH, name="_".join(NAME))
    recording.recording = edfio.Recording(
        startdate=date(2004, 3, 2), hospital_administration_code=ADMISSION, investigator_technician_code=TECHNICIAN
    )
    recording.signals[0].transducer_type = f"AgAgCl {TECHNICIAN} {CODE}"
    recording.add_annotations([edfio.EdfAnnotation(1.0, None, FREE_TEXT)])
    recording.write(path)


def plant_beside(path: Path) -> None:
    """Write who was recorded into the comments of a recording's csv_bi, and into the name and text of a note in its folder."""
    annotation = path.with_suffix(".csv_bi")
    lines = annotation.read_text().splitlines(keepends=True)
    lines = [f"# bname = {'_'.join(NAME)}\n" if line.startswith("# bname") else line for line in lines]
    columns = next(index for index, line in enumerate(lines) if line.startswith("channel,"))
    annotation.write_text("".join([*lines[:columns], f"# {FREE_TEXT}\n", *lines[columns:]]))
    (path.parent / f"{'_'.join(NAME)}_{BIRTHS[1]}.txt").write_text(FREE_TEXT)


def contents(path: Path) -> Iterator[bytes]:
    """A file's path and bytes, and what is packed in it: tables, archives, the text beside a picture, what a page embeds."""
    raw = path.read_bytes()
    yield str(path).encode()
    yield raw
    if path.suffix == ".parquet":
        yield pd.read_parquet(path).to_csv().encode() + str(pq.read_schema(path).metadata).encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif path.suffix == ".png":
        yield str(Image.open(BytesIO(raw)).info).encode()
    for found in EMBEDDED.finditer(raw):
        embedded = base64.b64decode(found.group(1))
        yield embedded
        if embedded.startswith(PNG):
            yield str(Image.open(BytesIO(embedded)).info).encode()


def telltales(header: bytes) -> list[bytes]:
    """What must not be found: each planted word in two encodings, and check sums of the identification alone."""
    words = [word.lower().encode(encoding) for word in PLANTED for encoding in ("utf-8", "utf-16-le")]
    fields = [field for part in (PATIENT, RECORDING) for field in (header[part], header[part].rstrip())]
    sums = [hashlib.new(kind, field).hexdigest().encode() for field in fields for kind in ("md5", "sha1", "sha256")]
    return words + sums


def finds(path: Path, sought: list[bytes]) -> list[bytes]:
    return [word for content in contents(path) for lowered in [content.lower()] for word in sought if word in lowered]
