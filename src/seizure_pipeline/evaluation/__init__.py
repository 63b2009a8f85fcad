"""What a detector is worth: all that is chosen is chosen on dev, and then applied to eval as it is.

Axes: as in `scoring`.
"""

from seizure_pipeline.evaluation.comparison import best_one_feature, comparison
from seizure_pipeline.evaluation.held_out import held_out_metrics
from seizure_pipeline.evaluation.operating import chosen_post_processing, operating_record, post_processing_of
from seizure_pipeline.evaluation.patient_counts import Arrays, PatientCounts, arrays_of, count_patients, counted
from seizure_pipeline.evaluation.settings import EvaluationSettings
from seizure_pipeline.evaluation.traces import (
    DEV,
    EVAL,
    MODEL,
    SCORED,
    keep_baseline_traces,
    load_traces,
    model_trace_table,
    model_traces,
    scored_rows,
    stride_of,
    trace_rows,
    trace_table,
)

__all__ = [
    "DEV",
    "EVAL",
    "MODEL",
    "SCORED",
    "Arrays",
    "EvaluationSettings",
    "PatientCounts",
    "arrays_of",
    "best_one_feature",
    "chosen_post_processing",
    "comparison",
    "count_patients",
    "counted",
    "held_out_metrics",
    "keep_baseline_traces",
    "load_traces",
    "model_trace_table",
    "model_traces",
    "operating_record",
    "post_processing_of",
    "scored_rows",
    "stride_of",
    "trace_rows",
    "trace_table",
]
