"""What the circuit reads of the constant becomes its biases; nothing else changes."""

import torch

from scribe_suite.planting.circuits.anchor import deafened, read_as_biases
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from tests.planting.circuits.small_circuit import HalfThenLabel, planted_shape


def unit(d_model: int) -> torch.Tensor:
    direction = torch.randn(d_model, generator=torch.Generator().manual_seed(1))
    direction -= direction.mean()
    return direction / direction.norm()


@torch.no_grad()
def anchored(length: float) -> tuple[PatchableTransformer, torch.Tensor]:
    network = PatchableTransformer(planted_shape(normalization="LN"), 0)
    direction = unit(network.shape.d_model)
    network.W_pos.add_(length * direction)
    return network, direction


def test_a_deafened_matrix_reads_everything_but_the_direction():
    matrix = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    direction = unit(12)
    deaf = deafened(matrix, direction)
    assert (direction @ deaf).abs().max() < 1e-6
    other = torch.randn(12, generator=torch.Generator().manual_seed(2))
    other -= (other @ direction) * direction
    assert torch.allclose(other @ deaf, other @ matrix, atol=1e-5)


@torch.no_grad()
def test_next_to_a_long_constant_the_network_stays_what_it_was_and_no_node_reads_it():
    network, direction = anchored(50.0)
    tokens = HalfThenLabel().sample(64, torch.Generator().manual_seed(3))
    before, _ = network(tokens)
    read_as_biases(network, direction, tokens)
    after, _ = network(tokens)
    assert before.std() > 0.1
    assert (after - before).abs().max() < 0.02 * before.std()
    for matrix in (network.W_Q, network.W_K, network.W_V, network.W_in, network.W_U):
        assert torch.einsum("...do,d->...o", matrix, direction).abs().max() < 1e-5


@torch.no_grad()
def test_a_short_one_is_no_constant_once_the_stream_is_normalised():
    def change(length):
        network, direction = anchored(length)
        tokens = HalfThenLabel().sample(64, torch.Generator().manual_seed(3))
        before, _ = network(tokens)
        read_as_biases(network, direction, tokens)
        return float((network(tokens)[0] - before).abs().max() / before.std())

    assert change(0.5) > 10 * change(50.0)
