"""What MLflow keeps: `run` writes one run, `numbers` its metrics, `counts` finds its counts, `model` is the detector in it."""
