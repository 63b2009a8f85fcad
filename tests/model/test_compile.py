"""torch.compile takes the whole detector as one graph; what the compiler makes of it: tests/slow/test_compiled_detector.py."""

from __future__ import annotations

import torch
from presets import BASE, logits_and_gradients, outspoken, windows, without_dropout

TOKENS = 24  # three chunks of the scan, and fewer tokens than share an edge


def test_the_detector_is_one_graph_and_gives_the_same_logits_and_gradients() -> None:
    model, window_BCT = outspoken(without_dropout(BASE)), windows(2, TOKENS)
    expected = logits_and_gradients(model, model, window_BCT)
    torch._dynamo.reset()  # what other tests compiled made sizes of windows variable
    found = logits_and_gradients(torch.compile(model, fullgraph=True, dynamic=False, backend="aot_eager"), model, window_BCT)
    for name, truth in expected.items():
        assert (found[name] - truth).abs().max() <= 1e-6 * truth.abs().max(), name
