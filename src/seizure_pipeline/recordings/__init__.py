"""EDF and BDF recordings: a checked header, the stretches of time that hold data, and samples in microvolts."""

from seizure_pipeline.recordings.annotated_copy import Note, write_annotated_copy
from seizure_pipeline.recordings.header import RecordingError, Signal
from seizure_pipeline.recordings.recording import Recording, open_recording
from seizure_pipeline.recordings.timeline import Stretch

__all__ = ["Note", "Recording", "RecordingError", "Signal", "Stretch", "open_recording", "write_annotated_copy"]
