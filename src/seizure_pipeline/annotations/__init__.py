"""Seizures as intervals and as masks, and the files that carry them: one module per format."""

from seizure_pipeline.annotations.chb_mit import parse_chb_mit_summary
from seizure_pipeline.annotations.csv_bi import parse_csv_bi, parse_tusz_csv, read_csv_bi, write_csv_bi
from seizure_pipeline.annotations.events_tsv import parse_events_tsv, read_events_tsv, write_events_tsv
from seizure_pipeline.annotations.seizures import BEYOND_END_S, Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.siena import parse_siena_list
from seizure_pipeline.annotations.text import Confidences

__all__ = [
    "BEYOND_END_S",
    "Annotation",
    "AnnotationError",
    "Confidences",
    "Seizure",
    "Seizures",
    "parse_chb_mit_summary",
    "parse_csv_bi",
    "parse_events_tsv",
    "parse_siena_list",
    "parse_tusz_csv",
    "read_csv_bi",
    "read_events_tsv",
    "write_csv_bi",
    "write_events_tsv",
]
