"""The detector: encoder, electrode stream, pair stream, graph and head, and how its parameters are counted and decayed."""

from __future__ import annotations

from math import log
from typing import Any

import torch
from torch import Tensor, nn

from seizure_pipeline.model.bimamba import BidirectionalLayer, BidirectionalMamba
from seizure_pipeline.model.electrode_graph import ElectrodeGraph, PairStream
from seizure_pipeline.model.initialisation import initialise_residuals, keep_mean_square
from seizure_pipeline.model.settings import SAMPLES_PER_TOKEN, ModelSettings
from seizure_pipeline.model.state_space import Mamba2, ScanForm
from seizure_pipeline.model.tcn import TemporalEncoder

FIRST_LOGIT_SD = 1e-3  # per weight: small enough that the first loss is the prior's entropy, not zero so that all learns


class Head(nn.Module):
    """Tokens of all electrodes to one logit; before training it says the prior everywhere."""

    def __init__(self, settings: ModelSettings, prior: float) -> None:
        super().__init__()
        self.project = nn.Linear(settings.electrodes * settings.electrode_stream.features, settings.head_features)
        self.norm = nn.LayerNorm(settings.head_features)
        self.activation = nn.SiLU()
        self.logit = nn.Linear(settings.head_features, 1)
        nn.init.normal_(self.logit.weight, std=FIRST_LOGIT_SD)
        nn.init.constant_(self.logit.bias, log(prior / (1 - prior)))

    def forward(self, tokens_BLCD: Tensor) -> Tensor:
        """(B, L, C, D) to logits (B, L)."""
        features_BLD = self.activation(self.norm(self.project(tokens_BLCD.flatten(-2))))
        with torch.autocast(features_BLD.device.type, enabled=False):  # bfloat16 knows two digits of a logit
            logits_BL1: Tensor = self.logit(features_BLD.float())
        return logits_BL1.squeeze(-1)


class Detector(nn.Module):
    """Logit of "ictal" at 16 Hz from a window of standardised EEG at 256 Hz.

    `prior` is the share of ictal tokens that it predicts before training; weights that are loaded replace it."""

    def __init__(self, settings: ModelSettings, prior: float = 0.05) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = TemporalEncoder(settings)
        self.to_electrodes = nn.Linear(settings.tcn_channels[-1], settings.electrodes * settings.electrode_stream.features)
        self.electrode_stream = BidirectionalMamba(settings.electrode_stream)
        self.pair_stream = PairStream(settings)
        self.graph = ElectrodeGraph(settings)
        self.head = Head(settings, prior)
        keep_mean_square(self.to_electrodes)
        initialise_residuals(self)

    def forward(self, window_BCT: Tensor) -> Tensor:
        """Logits (B, T / 16) from (B, C, T); raises ValueError for other electrodes or T no multiple of 16."""
        features_BLCD = self._features(window_BCT)
        adjacency_BRCC = self.pair_stream(features_BLCD)
        tokens_SLD = self.electrode_stream(features_BLCD.transpose(1, 2).flatten(0, 1))
        tokens_BLCD = self.graph(tokens_SLD.unflatten(0, (-1, features_BLCD.shape[2])), adjacency_BRCC)
        logits_BL: Tensor = self.head(tokens_BLCD)
        return logits_BL

    def adjacency(self, window_BCT: Tensor) -> Tensor:
        """The graph that `forward` mixes electrodes along, (B, R, C, C) as PairStream gives it; raises as `forward`."""
        adjacency_BRCC: Tensor = self.pair_stream(self._features(window_BCT))
        return adjacency_BRCC

    def _features(self, window_BCT: Tensor) -> Tensor:
        """Features of every electrode at every token, (B, L, C, D)."""
        _, electrodes, samples = window_BCT.shape
        if electrodes != self.settings.electrodes or samples == 0 or samples % SAMPLES_PER_TOKEN:
            raise ValueError(
                f"window of shape {tuple(window_BCT.shape)}: the rule is (B, {self.settings.electrodes}, T) "
                f"with T a positive multiple of {SAMPLES_PER_TOKEN}"
            )
        return torch.unflatten(self.to_electrodes(self.encoder(window_BCT)), 2, (electrodes, -1))

    def choose_scan(self, form: ScanForm) -> None:
        """Run the scans by `form` from now on; all give the same numbers (state_space.py)."""
        for module in self.modules():
            if isinstance(module, Mamba2 | BidirectionalLayer):
                module.scan_form = form


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for AdamW: matrices and kernels decay; biases, norms, A_log, D and dt_bias, all vectors, do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of each part of the model, by the part's name, and their `total`."""
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    return counts | {"total": sum(counts.values())}
