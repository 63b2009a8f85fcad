"""The learned graph of electrodes: similarities of pairs to edges, edges to positions, and propagation along edges.

Every graph operation is a batched matrix product over (B, R, C, C); R graphs per window, M tokens share one graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seizure_pipeline.model.bimamba import BidirectionalMamba
from seizure_pipeline.model.cuda import positions as cuda_positions
from seizure_pipeline.model.settings import ModelSettings

SIMILARITY_EPSILON = 1e-6  # defines the similarity of a zero vector with anything as 0


def pair_similarity(features_BRCD: Tensor) -> Tensor:
    """Cosine of the features of each pair of electrodes i < j, shape (B, E, R), in float32."""
    electrodes = features_BRCD.shape[2]
    with torch.autocast(features_BRCD.device.type, enabled=False):
        features_BRCD = features_BRCD.float()
        unit_BRCD = features_BRCD * torch.rsqrt(features_BRCD.square().sum(-1, keepdim=True) + SIMILARITY_EPSILON)
        similarity_BRCC = unit_BRCD @ unit_BRCD.mT
    first_E, second_E = torch.triu_indices(electrodes, electrodes, 1, device=similarity_BRCC.device)
    similarity_BRE = similarity_BRCC.flatten(-2)[..., first_E * electrodes + second_E]
    return similarity_BRE.transpose(1, 2)


def pair_matrix(weights_BRE: Tensor, electrodes: int) -> Tensor:
    """Symmetric (B, R, C, C) with zero diagonal from one weight per pair i < j."""
    pairs = weights_BRE.shape[-1]
    place_CC = torch.full((electrodes, electrodes), pairs, device=weights_BRE.device)
    first_E, second_E = torch.triu_indices(electrodes, electrodes, 1, device=weights_BRE.device)
    place_CC[first_E, second_E] = place_CC[second_E, first_E] = torch.arange(pairs, device=weights_BRE.device)
    return F.pad(weights_BRE, (0, 1))[..., place_CC]


def keep_strongest(weights_CC: Tensor, neighbours: int) -> Tensor:
    """Symmetric (..., C, C) with only those edges that are among the `neighbours` strongest at either end.

    An edge must be stronger than the strongest one left out of its row: edges tied across that border all go. So the
    choice does not depend on the order of the electrodes, no row chooses more than `neighbours`, and equal weights
    give no edge at all instead of making hubs of the electrodes that a sort happens to put first.
    """
    with torch.no_grad():
        not_weaker_CC = (weights_CC[..., None, :] >= weights_CC[..., :, None]).sum(-1)  # counted, itself included: no sort
        chosen_CC = not_weaker_CC <= neighbours
        kept_CC = chosen_CC | chosen_CC.mT
    return weights_CC * kept_CC


def normalised(weights_CC: Tensor) -> Tensor:
    """D^-1/2 (A + I) D^-1/2: every electrode keeps itself with weight 1, so that no degree is zero."""
    looped_CC = weights_CC + torch.eye(weights_CC.shape[-1], device=weights_CC.device, dtype=weights_CC.dtype)
    scale_C = torch.rsqrt(looped_CC.sum(-1))
    return scale_C[..., :, None] * looped_CC * scale_C[..., None, :]


def spectral_positions(eigenvalues_C: Tensor, eigenvectors_CC: Tensor, positions: int) -> Tensor:
    """Diagonal of f_j(Laplacian) for `positions` Gaussian bands f_j over [0, 2], shape (..., C, positions).

    The share of each band in each electrode: sum over k of f_j(lambda_k) U_ik^2. It holds what the eigenvectors say
    about an electrode's place, yet depends neither on their signs nor on the basis chosen within a repeated
    eigenvalue, and follows a permutation of the electrodes.
    """
    centres_D = torch.linspace(0, 2, positions, device=eigenvalues_C.device, dtype=eigenvalues_C.dtype)
    width = 2 / (positions - 1)
    bands_CD = torch.exp(-0.5 * ((eigenvalues_C[..., :, None] - centres_D) / width).square())
    return eigenvectors_CC.square() @ bands_CD


@torch.no_grad()
def laplacian_positions(adjacency_CC: Tensor, positions: int) -> Tensor:
    """Positions (..., C, positions) from I - `adjacency_CC` (normalised, float32 or more); never differentiated.

    The derivative of an eigendecomposition divides by gaps between eigenvalues, which close whenever weights tie.
    """
    if adjacency_CC.is_cuda and adjacency_CC.dtype == torch.float32 and cuda_positions.fits(adjacency_CC.shape[-1]):
        by_polynomials: Tensor = cuda_positions.laplacian_positions(adjacency_CC, positions)
        return by_polynomials
    identity_CC = torch.eye(adjacency_CC.shape[-1], device=adjacency_CC.device, dtype=adjacency_CC.dtype)
    eigenvalues_C, eigenvectors_CC = torch.linalg.eigh(identity_CC - adjacency_CC)
    return spectral_positions(eigenvalues_C, eigenvectors_CC, positions)


def diffusion(adjacency_CC: Tensor, alpha: float, hops: int) -> Tensor:
    """alpha I + (1 - alpha) / hops * (P + ... + P^hops): simple spectral graph convolution (Zhu & Koniusz 2021)."""
    power_CC = total_CC = adjacency_CC
    for _ in range(hops - 1):
        power_CC = power_CC @ adjacency_CC
        total_CC = total_CC + power_CC
    identity_CC = torch.eye(adjacency_CC.shape[-1], device=adjacency_CC.device, dtype=adjacency_CC.dtype)
    return alpha * identity_CC + (1 - alpha) / hops * total_CC


def _pooled(features_BLCD: Tensor, every: int) -> Tensor:
    """Means over `every` tokens (the last over those that are left), (B, R, C, D).

    Not by avg_pool1d: compiled, its gradient of the last mean is divided by `every` (measured: torch 2.13)."""
    length = features_BLCD.shape[1]
    if every == 1:
        return features_BLCD
    padded_BLCD = F.pad(features_BLCD, (0, 0, 0, 0, 0, -length % every))
    summed_BRCD = torch.unflatten(padded_BLCD, 1, (-1, every)).sum(2)
    taken_R = torch.full((summed_BRCD.shape[1],), float(every), device=summed_BRCD.device, dtype=summed_BRCD.dtype)
    taken_R[-1] = every - -length % every
    return summed_BRCD / taken_R[:, None, None]


class PairStream(nn.Module):
    """Electrode features to the weight of every edge: similarity, lifted, scanned along time, softplus."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.every, self.electrodes, self.neighbours = settings.pair_every, settings.electrodes, settings.graph_neighbours
        self.lift = nn.Linear(1, settings.pair_stream.features)
        self.norm = nn.LayerNorm(settings.pair_stream.features)
        self.scan = BidirectionalMamba(settings.pair_stream)
        self.weight = nn.Linear(settings.pair_stream.features, 1)

    def forward(self, features_BLCD: Tensor) -> Tensor:
        """Normalised adjacency (B, R, C, C) in float32, one per `pair_every` tokens (the last may cover fewer)."""
        similarity_BER = pair_similarity(_pooled(features_BLCD, self.every))
        # products of one column or row by hand: compiled, they are part of the norms beside them
        lifted_SRD = similarity_BER.flatten(0, 1).unsqueeze(-1) * self.lift.weight.squeeze(-1) + self.lift.bias
        scanned_SRD = self.scan(self.norm(lifted_SRD))
        with torch.autocast(scanned_SRD.device.type, enabled=False):  # bfloat16 would tie most weights of a row
            weights_SR = F.softplus((scanned_SRD.float() * self.weight.weight.squeeze(0)).sum(-1) + self.weight.bias)
            weights_BRE = torch.unflatten(weights_SR, 0, similarity_BER.shape[:2]).transpose(1, 2)
            return normalised(keep_strongest(pair_matrix(weights_BRE, self.electrodes), self.neighbours))


class GraphLayer(nn.Module):
    """Features mixed along the edges: linear, propagation, norm, SiLU and dropout beside a residual path."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, features, bias=False)
        self.norm = nn.LayerNorm(features)
        self.dropout = dropout

    def forward(self, x_BRCMD: Tensor, diffusion_BRCC: Tensor, extra_BRC1D: Tensor | float = 0.0) -> Tensor:
        """(B, R, C, M, D) to the same; `extra_BRC1D` is added before the propagation.

        Dropout takes a feature of an electrode away for the whole window, as in the encoder.
        """
        x_BRCF = (self.linear(x_BRCMD) + extra_BRC1D).flatten(-2)
        mixed_BRCMD = self.norm(torch.unflatten(diffusion_BRCC.to(x_BRCF.dtype) @ x_BRCF, -1, x_BRCMD.shape[-2:]))
        windows, _, electrodes, _, features = x_BRCMD.shape
        kept = F.dropout(mixed_BRCMD.new_ones(windows, 1, electrodes, 1, features), self.dropout, self.training)
        return x_BRCMD + F.silu(mixed_BRCMD) * kept


class ElectrodeGraph(nn.Module):
    """Electrode tokens and their positions in the learned graph, mixed along its edges."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        features = settings.electrode_stream.features
        self.alpha, self.hops, self.positions = settings.graph_alpha, settings.graph_hops, settings.positions
        self.every = settings.pair_every
        self.graphs_per_position = settings.positions_every // settings.pair_every
        self.position = nn.Linear(self.positions, features, bias=False)
        self.layers = nn.ModuleList(GraphLayer(features, settings.graph_dropout) for _ in range(settings.graph_layers))

    def forward(self, tokens_BCLD: Tensor, adjacency_BRCC: Tensor) -> Tensor:
        """(B, C, L, D) and the normalised adjacency to (B, L, C, D)."""
        length = tokens_BCLD.shape[2]
        padded_BCLD = F.pad(tokens_BCLD, (0, 0, 0, -length % self.every))
        x_BRCMD = torch.unflatten(padded_BCLD, 2, (-1, self.every)).transpose(1, 2)
        with torch.autocast(tokens_BCLD.device.type, enabled=False):
            diffusion_BRCC = diffusion(adjacency_BRCC, self.alpha, self.hops)
            positions_BRCD = laplacian_positions(adjacency_BRCC[:, :: self.graphs_per_position], self.positions)
        extra_BRCD = self.position(positions_BRCD).repeat_interleave(self.graphs_per_position, 1)
        # [features, positions] W = features W_1 + positions W_2, without a copy of the positions for each token
        extra: Tensor | float = extra_BRCD[:, : x_BRCMD.shape[1], :, None]
        for layer in self.layers:
            x_BRCMD = layer(x_BRCMD, diffusion_BRCC, extra)
            extra = 0.0
        return x_BRCMD.transpose(2, 3).flatten(1, 2)[:, :length]
