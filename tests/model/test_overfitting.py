"""A network that cannot learn one batch by heart cannot learn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from presets import BASE, windows, without_dropout

from seizure_pipeline.model.detector import Detector, parameter_groups

TOKENS, STEPS = 120, 60


@pytest.fixture
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps this small take longer with more beside other tests
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
def test_the_small_preset_learns_one_batch_of_noise_by_heart() -> None:
    torch.manual_seed(0)
    model, window_BCT = Detector(without_dropout(BASE)), windows(4, TOKENS)
    starts = torch.tensor([[15], [45], [75], [400]])  # the last window has no seizure
    token_L = torch.arange(TOKENS)
    ictal_BL = ((token_L >= starts) & (token_L < starts + 30)).float()
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.0), lr=3e-2)
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        logits_BL = model(window_BCT)
        loss = F.binary_cross_entropy_with_logits(logits_BL, ictal_BL)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss.item() < 0.05  # the entropy of their share is 0.48
    assert ((logits_BL > 0) == (ictal_BL > 0)).float().mean() > 0.98
