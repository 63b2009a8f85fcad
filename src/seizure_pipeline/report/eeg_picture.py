"""EEG as a picture of two colours, each electrode's trace drawn as the span it covers in every column of pixels.

Measured (benchmarks/report.py): 30 s of 19 electrodes take 60 to 80 kB in this form, with every sample; lines as SVG take
160 kB at 64 Hz and 300 kB at 128 Hz, a picture in shades of grey 290 kB.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CUT_ROWS = 1.5  # a deflection is cut off this many rows from its own: an artefact would hide its neighbours
INK_RGB, CLEAR_RGB = (20, 20, 20), (255, 255, 255)


def eeg_picture(signal_CT: NDArray[np.floating], row_height_uv: float, width: int, row_pixels: int) -> str:
    """`signal_CT` in microvolts as a data URI of a PNG with a clear ground, `width` pixels and (C + 1) rows high.

    Electrode c lies c + 1 rows below the upper edge, negative up as in clinical EEG; `row_height_uv` is one row."""
    height = (len(signal_CT) + 1) * row_pixels
    centred_CT = signal_CT - np.median(signal_CT, axis=1, keepdims=True)
    rows_CT = np.clip(centred_CT / row_height_uv, -CUT_ROWS, CUT_ROWS)
    y_CT = np.clip(np.rint((rows_CT + np.arange(1, len(signal_CT) + 1)[:, None]) * row_pixels), 0, height - 2).astype(np.int64)
    column_T = np.arange(signal_CT.shape[1]) * width // signal_CT.shape[1]
    return _png(_drawn(y_CT, column_T, width, height))


def _drawn(y_CT: NDArray[np.int64], column_T: NDArray[np.int64], width: int, height: int) -> NDArray[np.bool_]:
    """(height, width) ink: each electrode from its highest to its lowest pixel, joined to the column before."""
    starts = np.flatnonzero(np.diff(column_T, prepend=-1))
    columns = column_T[starts]
    upper, lower = np.minimum.reduceat(y_CT, starts, axis=1), np.maximum.reduceat(y_CT, starts, axis=1)
    last = np.column_stack([y_CT[:, :1], y_CT[:, starts[1:] - 1]])
    upper, lower = np.minimum(upper, last), np.maximum(lower, last)
    edges = np.zeros((height + 1, width), dtype=np.int16)
    across = np.broadcast_to(columns, upper.shape)
    np.add.at(edges, (upper, across), 1)
    np.add.at(edges, (lower + 2, across), -1)  # two pixels thick where the line is level
    return edges.cumsum(axis=0)[:height] > 0


def _png(ink: NDArray[np.bool_]) -> str:
    picture = Image.fromarray(ink.astype(np.uint8), mode="P")
    picture.putpalette([*CLEAR_RGB, *INK_RGB])
    file = io.BytesIO()
    picture.save(file, "PNG", bits=1, transparency=0, compress_level=6)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
