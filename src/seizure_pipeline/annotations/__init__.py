"""Seizures as intervals and as masks, and the files that carry them: one module per format."""

from seizure_pipeline.annotations.chb_mit import parse_chb_mit_summary
from seizure_pipeline.annotations.csv_bi import list_csv_bi, parse_csv_bi, parse_tusz_csv, read_csv_bi, write_csv_bi
from seizure_pipeline.annotations.events_tsv import list_events_tsv, parse_events_tsv, read_events_tsv, write_events_tsv
from seizure_pipeline.annotations.listed import ListedEvents
from seizure_pipeline.annotations.seizures import BEYOND_END_S, Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.siena import parse_siena_list
from seizure_pipeline.annotations.text import Confidences, write_whole

__all__ = [
    "BEYOND_END_S",
    "Annotation",
    "AnnotationError",
    "Confidences",
    "ListedEvents",
    "Seizure",
    "Seizures",
    "list_csv_bi",
    "list_events_tsv",
    "parse_chb_mit_summary",
    "parse_csv_bi",
    "parse_events_tsv",
    "parse_siena_list",
    "parse_tusz_csv",
    "read_csv_bi",
    "read_events_tsv",
    "write_csv_bi",
    "write_events_tsv",
    "write_whole",
]
