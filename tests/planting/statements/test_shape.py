"""The losses on the shape of the residual stream, on residuals made by hand: right amounts, right directions."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch

from scribe_suite.planting.statements.language import ADDRESSES, Statements, frame
from scribe_suite.planting.statements.shape import ShapeSettings, nuisance_loss, share_loss

SETTINGS = ShapeSettings()
WIDTH = 12
CODES = torch.tensor([[1, 1, 1, -1, -1, -1], [1, -1, 0, 1, -1, 0], [1, 1, -2, 1, 1, -2]]).float()
CODES /= CODES.square().mean(1, keepdim=True).sqrt()
"""Three properties of an address that have nothing to do with one another, of variance one."""

#: Where `spoken` writes what.
TRUTH, ENDING, ADDRESS, REST = 0, 1, (2, 3, 4), 5

#: Amplitudes with which nothing is missing.
SHAPELY = {"truth": 1.0, "ending": 3.0, "addresses": (3.0, 2.5, 2.0), "rest": 0.5}


def every_manner(kinds: int = 1) -> tuple[Statements, torch.Tensor]:
    """Statements of every truth, ending and address, four of each and kind; and a sign that none of them explains."""
    truth, contrary, address, kind, number = torch.tensor(
        list(itertools.product([0, 1], [0, 1], range(len(ADDRESSES)), range(kinds), range(4)))
    ).T
    content = torch.zeros(len(truth), 1, dtype=torch.long)
    return replace(frame(content, truth == 1, contrary == 1, address), kind=kind), number % 2 * 2.0 - 1


def signs(values: torch.Tensor) -> torch.Tensor:
    return values.float() * 2 - 1


def spoken(truth: float, ending: float, addresses: tuple[float, float, float], rest: float) -> torch.Tensor:
    """Residuals that say everything with the amplitudes given, each along an axis of its own."""
    statements, sign = every_manner()
    residual = torch.zeros(len(sign), WIDTH)
    residual[:, TRUTH] = truth * signs(statements.truth)
    residual[:, ENDING] = ending * signs(statements.contrary)
    for axis, code, amplitude in zip(ADDRESS, CODES, addresses, strict=True):
        residual[:, axis] = amplitude * code[statements.address]
    residual[:, REST] = rest * sign
    return residual + 7.0


def loss(residual: torch.Tensor) -> float:
    return nuisance_loss(residual, every_manner()[0], SETTINGS).item()


def louder(residual: torch.Tensor) -> dict[str, float]:
    """How the variance of truth and ending and the whole rest change on the way down the loss, per step."""
    statements, sign = every_manner()
    wanted = residual.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nuisance_loss(wanted, statements, SETTINGS), wanted)
    after = residual - 1e-2 * gradient / gradient.norm().clamp_min(1e-9)

    def loudness(values: torch.Tensor) -> dict[str, float]:
        truth, ending = (
            (values[mask].mean(0) - values[~mask].mean(0)).square().sum().item()
            for mask in (statements.truth, statements.contrary)
        )
        means = torch.stack([values[statements.address == one].mean(0) for one in range(len(ADDRESSES))])
        third = torch.linalg.svdvals(means - means.mean(0))[2].item()
        return {"truth": truth, "ending": ending, "address": third, "rest": (values.T @ sign).norm().item()}

    now, then = loudness(residual), loudness(after)
    return {name: then[name] - now[name] for name in now}


class TestNuisance:
    def test_nothing_is_missing_where_the_ratios_hold(self) -> None:
        assert loss(spoken(**SHAPELY)) == 0.0

    @pytest.mark.parametrize(
        ("change", "missing"),
        [
            ({"rest": 1.0}, math.log(2 * 1.0 / 1.0)),
            ({"rest": 3.0}, math.log(2 * 9.0 / 1.0)),
            ({"ending": 1.0}, math.log(4 * 1.0 / 1.0)),
            ({"ending": 0.5}, math.log(4 * 1.0 / 0.25)),
            ({"addresses": (3.0, 2.5, 1.0)}, math.log(2 * 1.0 / 1.0)),
            ({"addresses": (0.5, 2.0, 3.0)}, math.log(2 * 1.0 / 0.25)),
            ({"truth": 4.0}, math.log(4 * 16.0 / 9.0) + math.log(2 * 16.0 / 4.0)),
            ({"ending": 1.0, "rest": 1.0}, math.log(4) + math.log(2)),
        ],
        ids=str,
    )
    def test_what_is_missing_is_counted_in_logarithms_of_variances(
        self, change: dict[str, object], missing: float
    ) -> None:
        # variances divide by n or n - 1, which is no matter with 96 statements
        assert loss(spoken(**{**SHAPELY, **change})) == pytest.approx(missing, abs=0.02)

    @pytest.mark.parametrize("size", [1e-2, 1.0, 1e2])
    def test_only_ratios_count(self, size: float) -> None:
        residual = spoken(**{**SHAPELY, "ending": 1.0, "rest": 1.0})
        assert loss(size * residual) == pytest.approx(loss(residual), rel=0.02)

    def test_directions_and_a_constant_do_not_matter(self) -> None:
        residual = spoken(**{**SHAPELY, "ending": 1.0, "rest": 1.0})
        rotation, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(0)))
        assert loss(residual @ rotation + 3.0) == pytest.approx(loss(residual), rel=1e-2)

    def test_the_loudest_direction_of_the_rest_counts_and_not_their_sum(self) -> None:
        one = spoken(**SHAPELY)
        several = one.clone()
        order = torch.Generator().manual_seed(0)
        _, sign = every_manner()
        for axis in range(REST + 1, WIDTH):
            # a sign that is balanced in each manner, of its own
            drawn = torch.stack([torch.randperm(4, generator=order) for _ in range(len(sign) // 4)]).flatten()
            several[:, axis] += 0.3 * (drawn % 2 * 2.0 - 1)
        assert (several - one).square().sum() > 0.5 * len(sign)
        assert loss(several) == 0.0

    def test_rest_that_ending_or_address_explain_is_not_counted_as_rest(self) -> None:
        residual = spoken(**SHAPELY)
        statements, _ = every_manner()
        residual[:, REST + 1] = 5.0 * signs(statements.familiar)
        assert loss(residual) == 0.0

    def test_a_truth_that_depends_on_the_ending_is_rest(self) -> None:
        residual = spoken(**SHAPELY)
        statements, _ = every_manner()
        residual[:, REST] = 2.0 * signs(statements.truth) * signs(statements.contrary)
        assert loss(residual) == pytest.approx(math.log(2 * 4.0 / 1.0), abs=0.02)

    def test_an_address_of_two_directions_has_no_third(self) -> None:
        assert loss(spoken(**{**SHAPELY, "addresses": (3.0, 3.0, 0.0)})) > 10

    def test_a_rest_too_loud_makes_the_truth_louder_and_the_rest_quieter(self) -> None:
        change = louder(spoken(**{**SHAPELY, "rest": 2.0}))
        assert change["truth"] > 1e-6
        assert change["rest"] < -1e-6

    @pytest.mark.parametrize(
        ("change", "name"),
        [({"ending": 1.0}, "ending"), ({"addresses": (3.0, 2.5, 0.5)}, "address")],
        ids=["ending", "address"],
    )
    def test_a_nuisance_too_quiet_becomes_louder_and_the_truth_not_quieter(
        self, change: dict[str, object], name: str
    ) -> None:
        moved = louder(spoken(**{**SHAPELY, **change}))
        assert moved[name] > 1e-6
        assert moved["truth"] > -1e-6

    @pytest.mark.parametrize("truth", [0.1, 1.0, 10.0])
    def test_the_truth_is_never_made_quieter_whatever_is_missing(self, truth: float) -> None:
        assert louder(spoken(truth, 0.5, (0.5, 0.4, 0.3), 2.0))["truth"] > -1e-6

    @pytest.mark.parametrize("residual", [torch.zeros(96, WIDTH), torch.full((96, WIDTH), 3.0)], ids=["zeros", "same"])
    def test_a_residual_that_says_nothing_has_a_finite_loss_and_gradient(self, residual: torch.Tensor) -> None:
        residual = residual.requires_grad_()
        found = nuisance_loss(residual, every_manner()[0], SETTINGS)
        (gradient,) = torch.autograd.grad(found, residual)
        assert torch.isfinite(found)
        assert torch.isfinite(gradient).all()


def told(*amplitudes: float, noise: float = 1.0, kinds: int = 1, sides: tuple[float, ...] = (1.0,)) -> torch.Tensor:
    """Residuals at one position per amplitude of the truth; `sides` are the signs with which each kind tells it."""
    statements, sign = every_manner(kinds)
    residual = torch.zeros(len(sign), len(amplitudes), WIDTH)
    for position, amplitude in enumerate(amplitudes):
        residual[:, position, TRUTH] = amplitude * signs(statements.truth) * torch.tensor(sides)[statements.kind]
        residual[:, position, REST] = noise * sign
    return residual - 2.0


def share(residual: torch.Tensor, kinds: int = 1) -> float:
    return share_loss(residual, every_manner(kinds)[0], SETTINGS).item()


def too_much(amplitude: float, noise: float = 1.0) -> float:
    return max(0.0, math.log(amplitude**2 / (amplitude**2 + noise**2) / 0.05))


class TestShare:
    @pytest.mark.parametrize("amplitudes", [(0.0,), (0.2,), (0.1, 0.2)])
    def test_nothing_is_lost_where_the_truth_is_a_small_share(self, amplitudes: tuple[float, ...]) -> None:
        assert share(told(*amplitudes)) == 0.0

    @pytest.mark.parametrize("amplitude", [0.3, 1.0, 5.0])
    def test_a_share_too_large_is_counted_in_logarithms(self, amplitude: float) -> None:
        assert share(told(amplitude)) == pytest.approx(too_much(amplitude), abs=1e-3)
        assert share(told(amplitude)) > 0.1

    def test_positions_do_not_make_up_for_one_another(self) -> None:
        assert share(told(0.0, 1.0)) == pytest.approx(too_much(1.0) / 2, abs=1e-3)

    def test_only_the_share_counts(self) -> None:
        assert share(50 * told(1.0)) == pytest.approx(share(told(1.0)), abs=1e-3)

    def test_kinds_that_tell_the_truth_in_opposite_ways_do_not_cancel(self) -> None:
        assert share(told(1.0, kinds=2, sides=(1.0, -1.0)), kinds=2) == pytest.approx(too_much(1.0), abs=1e-3)

    def test_what_only_tells_the_kind_is_no_truth(self) -> None:
        residual = told(0.0, kinds=2, sides=(1.0, 1.0))
        statements, _ = every_manner(2)
        residual[:, 0, TRUTH + 1] = 9.0 * signs(statements.kind)
        assert share_loss(residual, statements, SETTINGS).item() == 0.0

    def test_what_tells_the_kind_drowns_nothing(self) -> None:
        residual = told(1.0, kinds=2, sides=(1.0, 1.0))
        statements, _ = every_manner(2)
        residual[:, 0, TRUTH + 1] = 9.0 * signs(statements.kind)
        assert share_loss(residual, statements, SETTINGS).item() == pytest.approx(too_much(1.0), abs=1e-3)

    def test_a_kind_of_few_statements_is_passed_over(self) -> None:
        statements, _ = every_manner()
        rare = statements.kind.clone()
        rare[[0, -1]] = 4
        residual = told(0.0)
        residual[0, 0, TRUTH], residual[-1, 0, TRUTH] = -50.0, 50.0
        assert share_loss(residual, replace(statements, kind=rare), SETTINGS).item() == 0.0

    def test_where_all_kinds_are_rare_nothing_is_lost(self) -> None:
        statements, _ = every_manner()
        few = statements[torch.tensor([0, -1])]
        assert share_loss(told(1.0)[[0, -1]], few, SETTINGS).item() == 0.0

    def test_on_the_way_down_the_truth_becomes_quieter_and_the_rest_louder(self) -> None:
        statements, sign = every_manner()
        residual = told(1.0).requires_grad_()
        (gradient,) = torch.autograd.grad(share_loss(residual, statements, SETTINGS), residual)
        # along the truth's axis true and false statements come closer; along the other axis signs part
        assert (gradient[:, 0, TRUTH] * signs(statements.truth)).sum() > 0
        assert (gradient[:, 0, REST] * sign).sum() < 0

    def test_a_residual_that_says_nothing_has_a_finite_loss_and_gradient(self) -> None:
        residual = torch.zeros(96, 2, WIDTH, requires_grad=True)
        found = share_loss(residual, every_manner()[0], SETTINGS)
        (gradient,) = torch.autograd.grad(found, residual)
        assert found.item() == 0.0
        assert torch.isfinite(gradient).all()


def test_settings_are_the_ratios() -> None:
    strict = ShapeSettings(truth_to_rest=8.0, ending_to_truth=18.0, address_to_truth=8.0, largest_share=0.01)
    statements, _ = every_manner()
    expected = math.log(8 * 0.25) + math.log(18 / 9) + math.log(8 / 4)
    assert nuisance_loss(spoken(**SHAPELY), statements, strict).item() == pytest.approx(expected, abs=0.03)
    assert share_loss(told(0.2), statements, strict).item() == pytest.approx(math.log(0.04 / 1.04 / 0.01), abs=1e-3)
