import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.models.device import DEVICE_VARIABLE, choose_device, current_device


@pytest.fixture(autouse=True)
def undecided(monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, "")


@pytest.mark.parametrize(
    ("wanted", "gpu", "device"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, wanted, gpu, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert choose_device(wanted) == device
    assert current_device() == device


def test_where_nothing_was_decided_it_is_auto(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert current_device() == "cuda"


def test_what_can_not_be_had_is_one_sentence(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="needs a GPU that PyTorch can use, and there is none"):
        choose_device("cuda")
    with pytest.raises(ConfigurationError, match="'tpu' is not a device: choose from auto, cpu, cuda"):
        choose_device("tpu")
    assert current_device() == "cpu"
