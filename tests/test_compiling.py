"""Training's compiled network: whole batches through the compiler, the odd one beside it."""

from __future__ import annotations

import pytest
import torch
from made_models import SMALL
from torch._dynamo.testing import CompileCounter

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training.compiling import compiled
from seizure_pipeline.training.settings import TrainingSettings


def test_whole_batches_are_compiled_once_as_one_graph_and_the_last_is_not() -> None:
    torch.manual_seed(0)
    model, counter = Detector(SMALL).eval(), CompileCounter()
    network = compiled(model, 3, counter)
    windows = torch.randn(3, 19, 1024)
    for batch in (windows, windows, windows[:2]):
        torch.testing.assert_close(network(batch), model(batch))
    assert counter.frame_count == 1


def test_what_is_compiled_is_on_one_device() -> None:
    with pytest.raises(ValueError, match="compile is for one device, and devices is 2"):
        TrainingSettings(compile=True, devices=2)
