"""EEG recordings with annotated seizures to a trained detector and the share of seizures that it finds."""
