"""Training's compiled network: whole batches through the compiler, the odd one beside it."""

from __future__ import annotations

import pytest
import torch
from made_models import SMALL
from torch._dynamo.testing import CompileCounter

from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training.settings import TrainingSettings


def test_whole_batches_are_compiled_once_as_one_graph_and_the_last_is_not() -> None:
    torch.manual_seed(0)
    model, counter = Detector(SMALL).eval(), CompileCounter()
    network = compiled(model, 3, deterministic=True, backend=counter)
    windows = torch.randn(3, 19, 1024)
    for batch in (windows, windows, windows[:2]):
        torch.testing.assert_close(network(batch), model(batch))
    assert counter.frame_count == 1


@pytest.mark.parametrize("deterministic", [True, False])
def test_torchs_compiler_knows_what_it_is_asked_for(deterministic: bool) -> None:
    model = torch.nn.Linear(4, 2)
    network, other_than_whole = compiled(model, 3, deterministic), torch.randn(2, 4)
    assert torch.equal(network(other_than_whole), model(other_than_whole))


def test_what_is_compiled_is_on_one_device() -> None:
    with pytest.raises(ValueError, match="compile is for one device, and devices is 2"):
        TrainingSettings(compile=True, devices=2)
