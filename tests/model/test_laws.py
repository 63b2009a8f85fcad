"""Laws of the whole detector: electrodes have no order, positions cost what they are asked to, all weights learn."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from presets import BASE, FULL, outspoken, windows
from torch import Tensor

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.electrode_graph import ElectrodeGraph, laplacian_positions, normalised
from seizure_pipeline.model.settings import ModelSettings, StreamSettings

STREAM = StreamSettings(features=6, layers=1, state=4, head_dim=3)


def test_permuting_electrodes_with_the_weights_that_name_them_changes_no_logit() -> None:
    model, permuted = outspoken(BASE).eval(), outspoken(BASE).eval()
    order = torch.randperm(19, generator=torch.Generator().manual_seed(2))
    weights = permuted.state_dict()
    for name in ("encoder.blocks.0.convolutions.0.convolution.weight", "encoder.blocks.0.shortcut.weight"):
        weights[name] = weights[name][:, order]
    for name in ("to_electrodes.weight", "to_electrodes.bias"):
        weights[name] = weights[name].unflatten(0, (19, -1))[order].flatten(0, 1)
    weights["head.project.weight"] = weights["head.project.weight"].unflatten(1, (19, -1))[:, order].flatten(1, 2)
    permuted.load_state_dict(weights)
    logits, theirs = model(windows(2, 120)), permuted(windows(2, 120)[:, order])
    torch.testing.assert_close(theirs, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("settings", "tokens"), [(BASE, 120), (FULL, 24)], ids=["base", "full"])
def test_every_parameter_of_a_preset_gets_a_gradient(settings: ModelSettings, tokens: int) -> None:
    torch.manual_seed(0)
    model, ictal = Detector(settings), torch.zeros(2, tokens)
    ictal[0, tokens // 2 :] = 1
    F.binary_cross_entropy_with_logits(model(windows(2, tokens)), ictal).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("every", [1, 3, 8])
def test_positions_every_n_tokens_decompose_one_nth_of_the_graphs_and_hold_for_n_tokens(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    electrodes, tokens, decomposed = 7, 20, []
    settings = ModelSettings(electrodes=electrodes, electrode_stream=STREAM, positions_every=every)
    graph = ElectrodeGraph(settings).double().eval()
    weights = torch.rand(2, tokens, electrodes, electrodes, dtype=torch.float64).triu(1)
    adjacency, x = normalised(weights + weights.mT), torch.randn(2, electrodes, tokens, 6, dtype=torch.float64)
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrices: decomposed.append(matrices.shape[:-2].numel()) or eigh(matrices))
    places: list[Tensor] = []
    graph.position.register_forward_hook(lambda _part, given, _out: places.append(given[0]))
    assert graph(x, adjacency).isfinite().all()
    assert decomposed == [2 * math.ceil(tokens / every)]
    torch.testing.assert_close(places[0], laplacian_positions(adjacency, 16)[:, ::every])


def test_the_gradient_passes_by_the_positions_not_through_them() -> None:
    settings = ModelSettings(electrodes=7, electrode_stream=STREAM)
    graph, zero = ElectrodeGraph(settings).double().eval(), ElectrodeGraph(settings).double().eval()
    zero.load_state_dict(graph.state_dict())
    weights = torch.rand(1, 4, 7, 7, dtype=torch.float64).triu(1)
    x = torch.randn(1, 7, 4, 6, dtype=torch.float64)
    adjacency = normalised(weights + weights.mT).requires_grad_()
    kept = laplacian_positions(adjacency, 16)
    graph(x, adjacency).square().sum().backward()
    step = 1e-6 * torch.randn_like(adjacency)
    step = step + step.mT
    with pytest.MonkeyPatch.context() as patch:  # the same positions for the shifted graph
        patch.setattr("seizure_pipeline.model.electrode_graph.laplacian_positions", lambda *_: kept)
        ahead, back = (zero(x, adjacency.detach() + sign * step).square().sum() for sign in (1, -1))
    assert adjacency.grad is not None
    assert (adjacency.grad * step).sum().item() == pytest.approx((ahead - back).item() / 2, rel=1e-5)
