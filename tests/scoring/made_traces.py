"""Traces that the tests make up."""

import numpy as np

from seizure_pipeline.scoring import Trace


def trace(probability, reference=(), starts=(0,), rate_hz=1.0, name="r1", duration_s=None):
    p_L = np.asarray(probability, dtype=np.float32)
    length_s = len(p_L) / rate_hz if duration_s is None else duration_s
    return Trace(name, f"patient of {name}", rate_hz, p_L, length_s, tuple(starts), tuple(reference))
