"""The detector: a window of standardised EEG in, one logit per 1/16 s out.

Tensors wear their axes as a suffix:

==  ==============================================================
B   windows in a batch
C   electrodes, in the order of `montage.ELECTRODES`
T   samples at 256 Hz
L   tokens, 16 samples each
D   features
E   electrode pairs i < j, in the order of `montage.PAIRS`
R   graphs in a window, one per `pair_every` tokens
M   tokens that share one graph
S   sequences of one scan: B * C electrodes or B * E pairs
H   heads of a scan, P features of a head, G groups, N scan state
K   chunks of a scan, Q steps in a chunk
==  ==============================================================
"""

from seizure_pipeline.model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from seizure_pipeline.model.detector import Detector, count_parameters, parameter_groups
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings, StreamSettings
from seizure_pipeline.model.state_space import KernelMissing

__all__ = [
    "SAMPLES_PER_TOKEN",
    "CheckpointError",
    "Detector",
    "KernelMissing",
    "ModelSettings",
    "StreamSettings",
    "count_parameters",
    "load_checkpoint",
    "parameter_groups",
    "save_checkpoint",
]
