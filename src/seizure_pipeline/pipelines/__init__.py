"""Kedro pipelines, one package each: nodes.py and pipeline.py, no arithmetic."""
