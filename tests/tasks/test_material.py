"""What is handed over in each arm: never a weight where there is a laboratory."""

from dataclasses import replace

import pytest

from scribe_suite.laboratory.terms import Terms
from scribe_suite.tasks.material import LABORATORY_CODE, PublicMaterial, hand_over

PUBLIC = PublicMaterial(
    data_files={"data.json": b"{}"},
    data_code="data = 1\n",
    facts={},
    model_files={"config.json": b"{}", "model.safetensors": b"secret weights"},
    model_code="model = 1\n",
)
TERMS = Terms(budget=5)


def test_an_agent_with_weights_gets_model_and_data():
    handed = hand_over(PUBLIC, "weights", None)
    assert set(handed.files) == {"config.json", "model.safetensors", "data.json"}
    assert (handed.setup_code, handed.terms) == ("model = 1\ndata = 1\n", None)


@pytest.mark.parametrize("access", ["lab", "outputs"])
def test_an_agent_with_a_laboratory_gets_data_and_the_client_alone(access):
    handed = hand_over(PUBLIC, access, TERMS)
    assert set(handed.files) == {"data.json", "lab.py"}
    assert b"secret weights" not in b"".join(handed.files.values())
    assert handed.setup_code == f"{LABORATORY_CODE}data = 1\n"
    assert (handed.kernel_model, handed.terms) == (None, TERMS)


def test_data_may_be_others_in_a_laboratory():
    other = replace(PUBLIC, lab_files={"tokens.json": b"[]"}, lab_code="tokens = 1\n")
    assert set(hand_over(other, "lab", TERMS).files) == {"tokens.json", "lab.py"}
    assert hand_over(other, "lab", TERMS).setup_code.endswith("tokens = 1\n")
    assert set(hand_over(other, "weights", None).files) == {"config.json", "model.safetensors", "data.json"}


def test_kernels_have_a_real_model_only_with_its_weights():
    real = replace(PUBLIC, model_files={}, model="package:some")
    assert (real.unit, PUBLIC.unit) == ("token", "prompt")
    assert hand_over(real, "weights", None).kernel_model == "package:some"
    assert hand_over(real, "lab", TERMS).kernel_model is None
