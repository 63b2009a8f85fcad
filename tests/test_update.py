"""One update is the same however it is computed: in parts, with activations computed again, averaged as it is defined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from made_models import SMALL

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training.average import Average
from seizure_pipeline.training.batches import Batch
from seizure_pipeline.training.recompute import recompute_activations
from seizure_pipeline.training.schedule import reductions, scheduled_rate
from seizure_pipeline.training.settings import OptimizerSettings, TrainingSettings
from seizure_pipeline.training.update import accumulate_gradients

TOKENS = 8
WITH_DROPOUT = SMALL.model_copy(update={"tcn_dropout": 0.3, "graph_dropout": 0.3, "pair_every": 4, "positions_every": 4})
WITHOUT_DROPOUT = WITH_DROPOUT.model_copy(update={"tcn_dropout": 0.0, "graph_dropout": 0.0})


def batch_of(windows: int, dtype: torch.dtype = torch.float64) -> Batch:
    """Noise with random labels; the later a window, the more of it is padding."""
    chance = torch.Generator().manual_seed(windows)
    valid_BL = torch.arange(TOKENS) < torch.arange(TOKENS, TOKENS - windows, -1)[:, None]
    return Batch(
        window_BCT=torch.randn(windows, 19, 16 * TOKENS, dtype=dtype, generator=chance),
        ictal_BL=(torch.rand(windows, TOKENS, generator=chance) < 0.3).to(dtype) * valid_BL,
        valid_BL=valid_BL.to(dtype),
        recordings=np.zeros(windows, dtype=np.int32),
        first_sample=np.zeros(windows, dtype=np.int64),
        names=["a"],
    )


def detector(settings: object = WITHOUT_DROPOUT, dtype: torch.dtype = torch.float64) -> Detector:
    torch.manual_seed(3)
    return Detector(settings).to(dtype).train()  # type: ignore[arg-type]


def plain_network() -> torch.nn.Module:
    """Tokens of 16 samples through two linear maps, in float64; the detector computes its graph in float32."""
    torch.manual_seed(3)
    layers = [torch.nn.Conv1d(19, 8, 16, 16), torch.nn.Tanh(), torch.nn.Conv1d(8, 1, 1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers).double()


def gradient(model: torch.nn.Module, batch: Batch, **changes: object) -> tuple[float, list[torch.Tensor]]:
    loss = accumulate_gradients(model, batch, TrainingSettings(**changes))  # type: ignore[arg-type]
    return loss.item(), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(("windows", "parts"), [(6, 2), (6, 3), (7, 4), (3, 8)])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(windows: int, parts: int) -> None:
    batch = batch_of(windows)
    whole, gradients = gradient(plain_network(), batch)
    in_parts, theirs = gradient(plain_network(), batch, accumulate_steps=parts)
    assert in_parts == pytest.approx(whole, rel=1e-12)
    for mine, other in zip(gradients, theirs, strict=True):
        torch.testing.assert_close(other, mine, rtol=1e-10, atol=1e-13)


def test_the_detectors_gradient_in_parts_differs_by_rounding_alone_and_misses_no_parameter() -> None:
    model = detector(dtype=torch.float32)
    whole, gradients = gradient(model, batch_of(6, torch.float32))
    in_parts, theirs = gradient(detector(dtype=torch.float32), batch_of(6, torch.float32), accumulate_steps=3)
    assert in_parts == pytest.approx(whole, rel=1e-6)
    assert len(theirs) == len(gradients) == len(list(model.parameters()))
    mine, other = (torch.cat([each.flatten() for each in all_of_it]) for all_of_it in (gradients, theirs))
    assert (mine - other).norm() < 1e-5 * mine.norm()


def test_activations_that_are_computed_again_change_no_bit_of_a_gradient_with_dropout_either() -> None:
    kept, recomputed = detector(WITH_DROPOUT, torch.float32), detector(WITH_DROPOUT, torch.float32)
    names = list(kept.state_dict())
    recompute_activations(recomputed)
    assert list(recomputed.state_dict()) == names
    results = []
    for model in (kept, recomputed):
        torch.manual_seed(5)
        results.append(gradient(model, batch_of(4, torch.float32)))
    (loss, gradients), (other_loss, others) = results
    assert loss == other_loss
    assert all(torch.equal(mine, other) for mine, other in zip(gradients, others, strict=True))


def test_computing_again_keeps_less_for_the_backward_pass() -> None:
    kept_bytes = []
    for is_recomputed in (False, True):
        model, sizes = detector(dtype=torch.float32), {}
        if is_recomputed:
            recompute_activations(model)

        def keep(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model(batch_of(4, torch.float32).window_BCT)
        weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        kept_bytes.append(sum(size for address, size in sizes.items() if address not in weights))
    assert kept_bytes[1] < 0.6 * kept_bytes[0]


def test_bfloat16_stays_near_float32_and_leaves_gradients_in_float32() -> None:
    batch = batch_of(4, torch.float32)
    exact, gradients = gradient(detector(dtype=torch.float32), batch)
    near, rounded = gradient(detector(dtype=torch.float32), batch, precision="bfloat16")
    assert near != exact
    assert near == pytest.approx(exact, rel=0.02)
    assert {each.dtype for each in rounded} == {torch.float32}
    mine, other = (torch.cat([each.flatten() for each in all_of_it]) for all_of_it in (gradients, rounded))
    assert torch.nn.functional.cosine_similarity(mine, other, 0) > 0.99


def test_the_average_weighs_every_step_by_how_long_ago_it_was() -> None:
    model, decay, steps = detector(), 0.9, 7
    average = Average(model, decay)
    seen = [torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()]
    chance = torch.Generator().manual_seed(1)
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=chance, dtype=torch.float64))
        average.add(model)
        seen.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone())
    expected = decay**steps * seen[0] + (1 - decay) * sum(decay ** (steps - n) * seen[n] for n in range(1, steps + 1))
    torch.testing.assert_close(
        torch.nn.utils.parameters_to_vector(average.model.parameters()), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_the_plateau_steps_down_when_torchs_does(patience: int) -> None:
    scores = np.random.default_rng(patience).random(60).round(2).tolist()
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=patience, threshold=0.0, eps=0.0)
    for number, score in enumerate(scores, 1):
        optimizer.step()
        theirs.step(score)
        assert 0.5 ** reductions(scores[:number], patience) == optimizer.param_groups[0]["lr"]


def test_a_plateau_warms_up_and_then_never_rises() -> None:
    settings = OptimizerSettings(learning_rate=1.0, warmup_fraction=0.1, schedule="plateau", plateau_epochs=0)
    scores = [0.1, 0.2, 0.2, 0.3, 0.1]
    rates = [scheduled_rate(step, 100, scores[: step // 20], settings) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))
    assert rates[-1] == 0.5  # one of the four epochs before the last was no better than all before it
