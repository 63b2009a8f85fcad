"""A cached recording and its probabilities as a trace that can be scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.scoring import Trace
from seizure_pipeline.windows import TOKEN_RATE_HZ


def trace_of(row: IndexRow, probability_L: NDArray[np.float32]) -> Trace:
    """The probability trace of a cached recording with its reference seizures, in recorded time."""
    return Trace(
        recording_id=row.recording_id,
        patient_id=row.patient_id,
        rate_hz=TOKEN_RATE_HZ,
        probability=probability_L,
        stretch_starts=row.layout.token_starts,
        duration_s=row.layout.duration_s,
        reference=row.seizures,
    )
