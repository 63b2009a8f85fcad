"""The report of an evaluation: one HTML file that a neurologist can read without a network."""

from seizure_pipeline.report.build import Evaluated, evaluation_report

__all__ = ["Evaluated", "evaluation_report"]
