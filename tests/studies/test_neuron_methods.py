"""The methods that the reference solutions of the neuron tasks share do what they say, on activations made by hand.

So does the script that compares them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import pytest
import torch
from matplotlib import pyplot as plt
from transformer_lens import HookedTransformer, HookedTransformerConfig

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import load_all_frozen
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent
from studies.neuron_methods import certificates, key_and_near_misses

STRINGS = ["<doc>", "\n", " cat", "Cat", "<b>", "."]
SET_TASK = ("cells/decision.py", "cells/ablation.py", "cells/finding.py")


def run(names: dict[str, Any], *files: str) -> None:
    """Run shared cells in a kernel's names; what they display ends up in ``shown``."""
    for file in files:
        for cell in parse_percent((suite_root() / "ground_truth" / "solutions" / "neurons" / file).read_text()):
            if cell.kind == "code":
                exec(cell.source, names)


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    mpl.use("Agg")
    seen: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda thing: seen.append(thing.data))
    yield seen
    plt.close("all")


@pytest.fixture
def names(shown) -> dict[str, Any]:
    """What a kernel holds after the set-up cell and the scan of a small random model."""
    config = HookedTransformerConfig(
        n_layers=2, d_model=8, n_heads=2, d_head=4, d_mlp=12, n_ctx=16, d_vocab=6, act_fn="gelu", seed=0, device="cpu"
    )
    made: dict[str, Any] = {
        "torch": torch,
        "HookedTransformer": HookedTransformer,
        "config": config,
        "model": HookedTransformer(config),
        "vocabulary": STRINGS,
        "tokens": torch.randint(0, 6, (40, 16), generator=torch.Generator().manual_seed(0)),
    }
    run(made, "cells/scan.py", "cells/show.py")
    return made


def asked(names: dict[str, Any], direction: int = 1) -> torch.Tensor:
    """Ask for the tokens of the word cat; returns the feature as a column of numbers."""
    names["feature"] = (names["tokens"] == 2) | (names["tokens"] == 3)
    names.update(what="the word cat", direction=direction, BAR=0.5, used_where=names["feature"])
    return names["feature"].flatten().float()


def noise(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed))


def test_activations_are_those_of_every_layer_in_the_order_of_the_names(names):
    _, cache = names["model"].run_with_cache(names["tokens"])
    column = names["names"].index("L1.N5")
    torch.testing.assert_close(
        names["activations"][:, column], cache["blocks.1.mlp.hook_post"][..., 5].flatten(), rtol=1e-4, atol=1e-5
    )


def test_the_variance_explained_is_the_one_of_the_definition_with_the_sign_of_the_difference(names):
    feature = asked(names) > 0
    a = torch.stack([feature + 0.7 * noise(640), -2.0 * feature + noise(640, 2)], dim=1)
    q = feature.float().mean()
    within = (1 - q) * a[~feature].var(0, correction=0) + q * a[feature].var(0, correction=0)
    wanted = (1 - within / a.var(0, correction=0)) * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(names["signed_rve"](a, feature[:, None])[:, 0], wanted, rtol=1e-4, atol=1e-5)


def test_a_constant_neuron_and_a_constant_feature_explain_nothing(names):
    feature = asked(names)
    assert names["signed_rve"](torch.ones(640, 1), feature).item() == 0
    assert names["signed_rve"](feature[:, None], torch.ones(640)).item() == 0


def test_a_feature_may_be_any_number(names):
    place = names["position"].float().flatten()
    assert names["signed_rve"](3 - 2 * place[:, None], place).item() == pytest.approx(-1, abs=1e-4)


def test_the_standard_error_is_the_spread_over_other_samples(names):
    feature = asked(names)

    def sample(seed: int) -> torch.Tensor:
        return feature + 0.7 * noise(640, seed)

    spread = torch.stack([names["signed_rve"](sample(s)[:, None], feature)[0, 0] for s in range(100)]).std().item()
    errors = []
    for seed in range(20):
        names["activations"][:, 0] = sample(seed)
        errors.append(names["rve_error"](0, feature))
    assert sum(errors) / len(errors) == pytest.approx(spread, rel=0.35)


def test_the_neurons_at_the_bar_with_the_right_sign_are_the_answer(names):
    feature = asked(names)
    names["activations"][:, 3] = 2 * feature + 0.1 * noise(640)
    names["activations"][:, 20] = feature + 0.1 * noise(640, 2)
    names["activations"][:, 7] = 1 - feature
    names["activations"][:, 8] = feature * (noise(640, 3) > 0)
    run(names, *SET_TASK)
    assert sorted(names["answer"]["neurons"]) == ["L0.N3", "L1.N8"]
    assert names["names"][names["order"][2]] == "L0.N8"
    of_feature, of_activity = names["agreements"][8]
    assert 0.3 < of_feature < 0.7
    assert of_activity == 1


@pytest.mark.parametrize(("direction", "wanted"), [(1, ["L0.N3"]), (-1, ["L0.N7"]), (0, ["L0.N3", "L0.N7"])])
def test_the_direction_asked_for_decides_which_sign_counts(names, direction, wanted):
    feature = asked(names, direction)
    names["activations"][:, 3] = feature
    names["activations"][:, 7] = 1 - feature
    run(names, *SET_TASK)
    assert sorted(names["answer"]["neurons"]) == wanted


def test_where_no_neuron_reaches_the_bar_there_is_nothing_to_report(names):
    asked(names)
    names["activations"][:] = torch.randn(640, 24, generator=torch.Generator().manual_seed(5))
    run(names, *SET_TASK)
    assert names["answer"]["neurons"] == []


def test_a_neuron_close_to_the_bar_costs_confidence(names):
    feature = asked(names)
    names["activations"][:] = torch.randn(640, 24, generator=torch.Generator().manual_seed(5))
    names["activations"][:, 3] = feature + 0.1 * noise(640)
    run(names, *SET_TASK)
    clear = names["answer"]["confidence"]
    names["BAR"] = names["statistic"][3].item() - 0.001
    run(names, *SET_TASK)
    assert clear > 0.95
    assert names["answer"]["confidence"] < 0.7


def test_the_loss_rises_as_in_a_model_whose_neuron_is_its_mean(names):
    run(names, "cells/ablation.py")
    column, late = names["names"].index("L1.N5"), names["position"] >= 8
    rise, _, elsewhere = names["loss_rise"]([column], late)
    block = names["model"].blocks[1].mlp
    with torch.no_grad():
        block.b_out += names["means"][column] * block.W_out[5]
        block.W_out[5] = 0.0
    edited = names["model"](names["tokens"], return_type="loss", loss_per_token=True) - names["intact"]
    assert rise == pytest.approx(edited[:, 8:].mean().item(), abs=1e-6)
    assert elsewhere == pytest.approx(edited[:, :8].mean().item(), abs=1e-6)
    assert rise != pytest.approx(elsewhere, abs=1e-6)


def test_texts_show_markup_of_the_vocabulary_as_text_and_underline_the_feature(names, shown):
    asked(names)
    names["activations"][:, 3] = names["feature"].flatten().float()
    names["tokens"][0] = torch.tensor([0, 4, 1, 2] * 4)
    names["show_texts"]([3], ["<h>"], (names["tokens"] == 2), top_texts=40, before=16, after=16)
    (page,) = shown
    assert "<b>" not in page
    assert "<doc>" not in page
    assert "&lt;b&gt;" in page
    assert "&#9166;<br>" in page
    assert "<h4>&lt;h&gt;</h4>" in page
    assert set(re.findall(r"<u>(.*?)</u>", page)) == {" cat"}


def test_the_strongest_token_is_red_and_a_silent_one_has_no_colour(names):
    names["activations"][:, 3] = 0.0
    names["activations"][5, 3], names["activations"][6, 3] = 4.0, 2.0
    page = names["coloured"](0, 4, 8, 3, None, 4.0)
    assert re.findall(r"rgba\(255,40,40,([\d.]+)\)", page) == ["1.00", "0.50"]


def test_of_a_silent_neuron_the_most_silent_places_are_shown(names):
    names["activations"][:, 3] = 1.0
    names["activations"][16 * 7 + 9, 3] = 0.0
    assert names["places_to_show"](3, -1, None, 1) == [("most silent", 7, 9)]


def test_a_table_escapes_text_and_shades_numbers(names, shown):
    names["table"](["<a>"], [("row", [2.0]), ("other", ["<c>"])], "caption")
    (page,) = shown
    assert "&lt;a&gt;" in page
    assert "<td>&lt;c&gt;</td>" in page
    assert re.search(r'<td style="background:rgba[^"]*">2.00</td>', page)


# --- the table of what is found by what ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_script_that_measures_methods_runs_by_itself_from_anywhere(tmp_path):
    script = suite_root() / "studies" / "neuron_methods.py"
    told = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "--reference" in told.stdout


def test_beside_the_key_a_letter_gets_a_near_miss_only_where_it_has_no_neuron():
    instance = default_registry()["neurons/alphabet"].instance(0)
    truth = {one.question.name: one for one in instance.hidden.asked}
    for letter, chosen in key_and_near_misses(SimpleNamespace(hidden=instance.hidden)).items():
        assert chosen[0] in (truth[letter].neurons or truth[letter].near_misses)
        assert set(chosen) == truth[letter].neurons | truth[letter].near_misses


def test_the_table_of_certificates_states_the_three_losses_of_every_base_model():
    models = load_all_frozen(default_registry()["neurons/position"])
    rows = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ")[1:] for row in certificates().splitlines()}
    loss, pairs, words = (
        [float(cell) for cell in rows[name]]
        for name in ("loss of the model, nats", "loss of word pairs", "loss of single words")
    )
    assert len(loss) == len(models)
    for number, model in enumerate(models):
        stated = model.record.certificate
        assert loss[number] == pytest.approx(stated.value("loss/model"), abs=0.006)
        assert pairs[number] - loss[number] == pytest.approx(-stated.value("loss/minus_bigram"), abs=0.011)
        assert words[number] - loss[number] == pytest.approx(-stated.value("loss/minus_unigram"), abs=0.011)
