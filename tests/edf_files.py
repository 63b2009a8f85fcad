"""EDF files made byte by byte, so that any header field can be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def signal(label: str = "EEG FP1-REF", samples: int = 4, **fields: object) -> dict[str, Any]:
    scale = {"unit": "uV", "physical_min": -200, "physical_max": 200, "digital_min": -2000, "digital_max": 2000}
    return {"label": label, **scale, "samples": samples, **fields}


def annotations(samples: int = 10) -> dict[str, Any]:
    return signal("EDF Annotations", samples, unit="", digital_min=-32768, digital_max=32767)


def field(value: object, width: int) -> str:
    assert len(str(value)) <= width
    return str(value).ljust(width)


def edf(signals: list[dict[str, Any]], records: list[bytes], **fields: object) -> bytes:
    """Bytes of an EDF file; any header field can be given a wrong value."""
    fixed: dict[str, Any] = {
        "version": "0",
        "patient": "X F X Name",
        "recording": "Startdate X X X X",
        "date": "02.03.04",
        "time": "05.06.07",
        "header_bytes": 256 * (1 + len(signals)),
        "reserved": "",
        "n_records": len(records),
        "record_s": 1,
        "n_signals": len(signals),
    }
    fixed.update(fields)
    widths = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
    head = [field(value, width) for value, width in zip(fixed.values(), widths, strict=True)]
    columns = ("label", "transducer", "unit", "physical_min", "physical_max", "digital_min", "digital_max")
    for name, width in zip((*columns, "filter", "samples", "end"), (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True):
        head += [field(each.get(name, ""), width) for each in signals]
    return "".join(head).encode("latin-1") + b"".join(records)


def ramp(n_records: int, samples: int = 4) -> list[bytes]:
    return [np.arange(k * samples, (k + 1) * samples, dtype="<i2").tobytes() for k in range(n_records)]


def timed(onsets: list[str], samples: int = 4) -> list[bytes]:
    stamps = [f"{onset}\x14\x14\x00".encode().ljust(20, b"\x00") for onset in onsets]
    return [data + stamp for data, stamp in zip(ramp(len(onsets), samples), stamps, strict=True)]


def discontinuous(onsets: list[str], samples: int = 4, **fields: object) -> bytes:
    """EDF+D of 1-s records that begin at `onsets`."""
    return edf([signal(samples=samples), annotations()], timed(onsets, samples), reserved="EDF+D", **fields)
