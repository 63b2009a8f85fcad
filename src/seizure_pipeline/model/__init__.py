"""The detector: a window of standardised EEG in, one logit per 1/16 s out. `settings` needs no torch.

Tensors wear their axes as a suffix:

==  ==============================================================
B   windows in a batch
C   electrodes, in the order of `montage.ELECTRODES`
T   samples at 256 Hz
L   tokens, 16 samples each
D   features
E   electrode pairs i < j, in the order of `montage.PAIRS`
R   graphs in a window, one per `pair_every` tokens
M   tokens that share one graph, F their features side by side (M * D)
S   sequences of one scan: B * C electrodes or B * E pairs
H   heads of a scan, P features of a head, G groups, N scan state
K   chunks of a scan, Q steps in a chunk, J taps of its convolution
==  ==============================================================
"""
