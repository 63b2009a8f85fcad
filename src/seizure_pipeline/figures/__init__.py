"""Pictures for reports and tracking; every function returns its figure and writes nothing."""

from seizure_pipeline.figures.comparison import DetectorRow, baseline_figure
from seizure_pipeline.figures.history import history_figure
from seizure_pipeline.figures.montage import Rows, montage_figure
from seizure_pipeline.figures.operating import operating_curve_figure, operating_curve_plotly
from seizure_pipeline.figures.traces import EegPage, trace_figure

__all__ = [
    "DetectorRow",
    "EegPage",
    "Rows",
    "baseline_figure",
    "history_figure",
    "montage_figure",
    "operating_curve_figure",
    "operating_curve_plotly",
    "trace_figure",
]
