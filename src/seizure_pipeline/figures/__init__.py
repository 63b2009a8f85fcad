"""Pictures for reports and tracking; every function returns its figure and writes nothing."""

from seizure_pipeline.figures.comparison import DetectorRow, baseline_figure
from seizure_pipeline.figures.corpus import corpus_figure
from seizure_pipeline.figures.head import Moment, around, graph_figure
from seizure_pipeline.figures.history import history_figure
from seizure_pipeline.figures.latency import latency_figure
from seizure_pipeline.figures.montage import Rows, montage_figure
from seizure_pipeline.figures.operating import Band, Marks, operating_curve_figure, operating_curve_plotly
from seizure_pipeline.figures.patients import PatientRow, patients_figure
from seizure_pipeline.figures.reliability import reliability_figure
from seizure_pipeline.figures.response import response_figure
from seizure_pipeline.figures.traces import EegPage, eeg_figure, trace_figure
from seizure_pipeline.figures.windows import windows_figure

__all__ = [
    "Band",
    "DetectorRow",
    "EegPage",
    "Marks",
    "Moment",
    "PatientRow",
    "Rows",
    "around",
    "baseline_figure",
    "corpus_figure",
    "eeg_figure",
    "graph_figure",
    "history_figure",
    "latency_figure",
    "montage_figure",
    "operating_curve_figure",
    "operating_curve_plotly",
    "patients_figure",
    "reliability_figure",
    "response_figure",
    "trace_figure",
    "windows_figure",
]
