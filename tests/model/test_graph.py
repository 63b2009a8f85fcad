import pytest
import torch
from torch import Tensor

from seizure_pipeline.model import electrode_graph
from seizure_pipeline.model.electrode_graph import (
    ElectrodeGraph,
    PairStream,
    diffusion,
    keep_strongest,
    laplacian_positions,
    normalised,
    pair_matrix,
    pair_similarity,
    spectral_positions,
)
from seizure_pipeline.model.settings import ModelSettings, StreamSettings

C = 7


def settings(pair_every: int = 1, positions_every: int = 1) -> ModelSettings:
    return ModelSettings(
        electrodes=C,
        electrode_stream=StreamSettings(features=6, layers=1, state=4, head_dim=3),
        pair_stream=StreamSettings(features=4, layers=1, state=4, head_dim=2),
        pair_every=pair_every,
        positions_every=positions_every,
    )


def random_weights(electrodes: int = C) -> Tensor:
    upper = torch.rand(2, 3, electrodes, electrodes, generator=torch.Generator().manual_seed(0)).triu(1).double()
    return upper + upper.mT


def ring(electrodes: int = 8) -> Tensor:
    shift = torch.eye(electrodes, dtype=torch.float64).roll(1, 0)
    return shift + shift.mT


def test_similarity_is_the_cosine_of_the_pairs_in_order() -> None:
    features = torch.randn(2, 4, C, 5)
    cosine = torch.nn.functional.cosine_similarity(features[:, :, 1], features[:, :, 2], dim=-1)
    torch.testing.assert_close(pair_similarity(features)[:, C - 1], cosine)  # pairs (0, 1) .. (0, C-1), then (1, 2)


def test_pair_weights_fill_a_symmetric_matrix_with_zero_diagonal() -> None:
    weights = torch.rand(2, 3, C * (C - 1) // 2)
    matrix = pair_matrix(weights, C)
    first, second = torch.triu_indices(C, C, 1)
    torch.testing.assert_close(matrix[..., first, second], weights)
    torch.testing.assert_close(matrix, matrix.mT)
    assert matrix.diagonal(dim1=-2, dim2=-1).abs().max() == 0


def test_each_electrode_keeps_its_three_strongest_edges_and_those_that_chose_it() -> None:
    weights = random_weights()
    kept = keep_strongest(weights, 3) > 0
    strongest = torch.zeros_like(kept).scatter(-1, weights.topk(3, -1).indices, True)
    assert torch.equal(kept, strongest | strongest.mT)


@pytest.mark.parametrize("tied", [torch.ones(19, 19), torch.ones(19, 19).index_fill(0, torch.tensor(4), 0.5)])
def test_equal_weights_make_no_hub(tied: Tensor) -> None:
    weights = (torch.minimum(tied, tied.mT)).fill_diagonal_(0)
    degree = (keep_strongest(weights, 3) > 0).sum(-1)
    assert degree.max() <= 3


def test_an_edge_tied_with_one_left_out_is_left_out_with_it() -> None:
    row = torch.tensor([0.0, 0.9, 0.8, 0.3, 0.3, 0.1, 0.1])
    weights = torch.zeros(C, C)
    weights[0], weights[:, 0] = row, row
    weights[1:, 1:] = 0.5 * (1 - torch.eye(C - 1))
    assert keep_strongest(weights, 3)[0].nonzero().flatten().tolist() == [1, 2]


def test_equal_weights_have_finite_gradients() -> None:
    weights = torch.ones(1, 1, C * (C - 1) // 2, requires_grad=True)
    adjacency = normalised(keep_strongest(pair_matrix(weights, C), 3))
    (gradient,) = torch.autograd.grad(diffusion(adjacency, 0.05, 2).square().sum(), weights)
    assert gradient.isfinite().all()


def test_normalised_adjacency_has_eigenvalues_in_one_to_minus_one_and_largest_one() -> None:
    eigenvalues = torch.linalg.eigvalsh(normalised(keep_strongest(random_weights(), 3)))
    assert eigenvalues.min() > -1
    torch.testing.assert_close(eigenvalues[..., -1], torch.ones(2, 3, dtype=torch.float64))


def test_positions_do_not_depend_on_the_signs_of_eigenvectors() -> None:
    values, vectors = torch.linalg.eigh(torch.eye(C) - normalised(random_weights()))
    signs = torch.where(torch.rand(C) < 0.5, -1.0, 1.0).double()
    torch.testing.assert_close(spectral_positions(values, vectors * signs, 16), spectral_positions(values, vectors, 16))


@pytest.mark.parametrize("graph", [ring(), 1 - torch.eye(8, dtype=torch.float64)], ids=["ring", "complete"])
def test_positions_do_not_depend_on_the_basis_within_a_repeated_eigenvalue(graph: Tensor) -> None:
    values, vectors = torch.linalg.eigh(torch.eye(8) - normalised(graph))
    mixed = vectors.clone()
    for value in values.round(decimals=8).unique():
        space = (values - value).abs() < 1e-6
        size = int(space.sum())
        rotation, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))
        mixed[:, space] = vectors[:, space] @ rotation
    assert not torch.allclose(mixed.abs(), vectors.abs())
    torch.testing.assert_close(spectral_positions(values, mixed, 16), spectral_positions(values, vectors, 16))


def test_positions_are_not_differentiated() -> None:
    assert not laplacian_positions(normalised(random_weights()).requires_grad_(), 16).requires_grad


def test_positions_tell_the_ends_of_a_chain_from_its_middle() -> None:
    chain = torch.diag(torch.ones(4, dtype=torch.float64), 1)
    positions = laplacian_positions(normalised(chain + chain.mT), 16)
    torch.testing.assert_close(positions[0], positions[4])
    assert (positions[0] - positions[2]).abs().max() > 0.05


def test_permuting_electrodes_permutes_positions_and_the_graphs_output() -> None:
    torch.manual_seed(0)
    order = torch.randperm(C)
    graph = ElectrodeGraph(settings()).double().eval()
    tokens, adjacency = torch.randn(2, C, 3, 6, dtype=torch.float64), normalised(keep_strongest(random_weights(), 3))
    permuted = adjacency[..., order, :][..., order]
    torch.testing.assert_close(laplacian_positions(permuted, 16), laplacian_positions(adjacency, 16)[..., order, :])
    torch.testing.assert_close(graph(tokens[:, order], permuted), graph(tokens, adjacency)[:, :, order])


def test_permuting_electrodes_permutes_the_adjacency() -> None:
    torch.manual_seed(0)
    order = torch.randperm(C)
    stream, features = PairStream(settings()).eval(), torch.randn(2, 5, C, 6)
    adjacency = stream(features)
    torch.testing.assert_close(stream(features[:, :, order]), adjacency[..., order, :][..., order])


def test_dense_propagation_equals_a_loop_over_graphs_and_hops() -> None:
    torch.manual_seed(0)
    adjacency, x = normalised(keep_strongest(random_weights(), 3)), torch.randn(2, 3, C, 5, dtype=torch.float64)
    fast = diffusion(adjacency, 0.05, 2) @ x
    for window in range(2):
        for token in range(3):
            p, v = adjacency[window, token], x[window, token]
            torch.testing.assert_close(fast[window, token], 0.05 * v + 0.95 / 2 * (p @ v + p @ (p @ v)))


@pytest.mark.parametrize("length", [8, 10, 3])
def test_sharing_one_graph_among_tokens_equals_repeating_it(length: int) -> None:
    torch.manual_seed(0)
    shared, repeated = ElectrodeGraph(settings(4, 8)).double().eval(), ElectrodeGraph(settings()).double().eval()
    repeated.load_state_dict(shared.state_dict())
    graphs = -(-length // 4)
    adjacency = normalised(keep_strongest(random_weights(), 3))[:, :1].expand(2, graphs, C, C)
    tokens = torch.randn(2, C, length, 6, dtype=torch.float64)
    each = adjacency.repeat_interleave(4, 1)[:, :length]
    torch.testing.assert_close(shared(tokens, adjacency), repeated(tokens, each))


@pytest.mark.parametrize("length", [3, 8, 10])
def test_an_edge_sees_the_mean_of_the_tokens_that_share_it_the_last_of_those_that_are_left(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    means: list[Tensor] = []
    monkeypatch.setattr(electrode_graph, "pair_similarity", lambda pooled: means.append(pooled) or pair_similarity(pooled))
    features = torch.randn(2, length, C, 6)
    PairStream(settings(4, 8)).eval()(features)
    expected = torch.stack([part.mean(1) for part in features.split(4, 1)], 1)
    torch.testing.assert_close(means[0], expected)
