"""What fills a window up behind the end of a recording reaches no loss, no gradient and no trace."""

from __future__ import annotations

import numpy as np
import torch
from made_models import SMALL

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import probability_trace
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training.loss import token_loss
from seizure_pipeline.training.settings import LossSettings
from seizure_pipeline.windows import Layout, WindowSettings

TOKENS, VALID = 32, 20
WINDOWS = WindowSettings(window_s=TOKENS / 16, stride_s=1.0)


def detector() -> Detector:
    torch.manual_seed(0)
    model = Detector(SMALL).eval()
    model.head.logit.weight.data.mul_(1000)
    return model


def test_labels_of_padding_change_neither_loss_nor_any_gradient() -> None:
    results = []
    valid_BL = (torch.arange(TOKENS) < VALID).float().expand(2, TOKENS)
    window_BCT = torch.randn(2, 19, 16 * TOKENS, generator=torch.Generator().manual_seed(0))
    window_BCT[..., 16 * VALID :] = 0
    for label_of_padding in (0.0, 1.0):
        model = detector()
        ictal_BL = (torch.arange(TOKENS) % 3 == 0).float().repeat(2, 1)
        ictal_BL[:, VALID:] = label_of_padding
        logits_BL = model(window_BCT)
        loss = token_loss(logits_BL, ictal_BL, valid_BL, LossSettings())
        at_logits_BL = torch.autograd.grad(loss, logits_BL, retain_graph=True)[0]
        loss.backward()
        assert (at_logits_BL[:, VALID:] == 0).all()
        assert (at_logits_BL[:, :VALID] != 0).all()
        results.append([loss.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(first, second) for first, second in zip(*results, strict=True))


def test_a_short_recording_has_a_trace_of_its_own_length_from_a_window_of_zeros_behind_it() -> None:
    samples = 16 * VALID - 5  # the last token is partly padding
    signal = np.random.default_rng(0).integers(-3000, 3000, (19, samples)).astype(np.int16)
    recording = CachedSignal(signal, Layout((samples,), (0.0,)), 0.001)
    trace_L = probability_trace(detector(), recording, WINDOWS, InferenceSettings(batch_size=1, stride_s=1.0))
    window_CT = np.zeros((19, 16 * TOKENS), np.float32)
    window_CT[:, :samples] = signal * np.float32(0.001)
    with torch.inference_mode():
        expected_L = torch.sigmoid(detector()(torch.from_numpy(window_CT)[None]))[0, :VALID]
    assert trace_L.shape == (VALID,)
    np.testing.assert_allclose(trace_L, expected_L.numpy(), atol=2e-3)  # a trace is kept in steps of 1/1000
