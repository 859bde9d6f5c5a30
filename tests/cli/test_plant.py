"""``scribe-suite plant``: goes on where it stopped, reports what failed, never ships it."""

import pytest
import torch

from scribe_suite.cli import plant as command
from scribe_suite.errors import FrozenModelError
from scribe_suite.planting import frozen, runner
from scribe_suite.planting.frozen import Certificate, Check, list_frozen, load_frozen, save_frozen
from scribe_suite.planting.hooked import ModelWeights
from tests.tasks.idle_task import IdleTask


class Small(IdleTask):
    """Freezes one number; seeds in `bad` fail their certificate."""

    name = "small"

    def __init__(self, bad=(), interrupted=()):
        super().__init__()
        self.bad = bad
        self.interrupted = interrupted
        self.planted = []

    def plant(self, seed, progress):
        self.planted.append(seed)
        progress(0.5, "training")
        if seed in self.interrupted:
            raise KeyboardInterrupt
        value = 0.0 if seed in self.bad else 1.0
        certificate = Certificate(checks=(Check(name="behaviour", value=value, bar=0.99, direction=">="),))
        weights = ModelWeights({}, {"w": torch.full((2,), float(seed))})
        save_frozen(frozen.frozen_folder(self), self, seed, weights, {}, certificate, {})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for module in (frozen, runner):
        monkeypatch.setattr(module, "frozen_folder", lambda _task: tmp_path)
    return tmp_path


def test_every_seed_is_frozen_and_loads(folder):
    task = Small()
    assert command.plant(task, [0, 1], keep_valid=True) == 0
    assert [load_frozen(path, task).record.seed for path in list_frozen(folder)] == [0, 1]


def test_an_interrupted_run_goes_on_where_it_stopped(folder):
    task = Small()
    command.plant(task, [0], keep_valid=True)
    command.plant(task, [0, 1], keep_valid=True)
    assert task.planted == [0, 1]


def test_a_damaged_model_is_made_again(folder):
    task = Small()
    command.plant(task, [0], keep_valid=True)
    (folder / "seed0.safetensors").write_bytes(b"damaged")
    assert command.plant(task, [0], keep_valid=True) == 0
    assert task.planted == [0, 0]
    load_frozen(folder / "seed0.json", task)


def test_force_trains_again_what_is_valid(folder):
    task = Small()
    command.plant(task, [0], keep_valid=True)
    command.plant(task, [0], keep_valid=False)
    assert task.planted == [0, 0]


def test_a_failed_certificate_is_reported_and_not_written_and_the_others_are(folder, capsys):
    task = Small(bad=(1,))
    assert command.plant(task, [0, 1, 2], keep_valid=True) == command.EXIT_NOT_PLANTED
    assert [path.stem for path in list_frozen(folder)] == ["seed0", "seed2"]
    output = " ".join(capsys.readouterr().out.split())
    assert "certificate fails: behaviour = 0, needs >= 0.99" in output
    assert "Not planted: seeds 1" in output


def test_a_seed_that_is_not_there_is_named(folder):
    with pytest.raises(FrozenModelError, match=r"seed7\.json can't be read"):
        load_frozen(folder / "seed7.json", Small())


def test_without_a_terminal_progress_is_lines(folder, capsys):
    command.plant(Small(), [3], keep_valid=True)
    assert "circuits/small seed 3 50% training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keep_valid", "command_line"),
    [
        (True, "scribe-suite plant circuits/small --seeds 3-5"),
        (False, "scribe-suite plant circuits/small --seeds 3-5 --force"),
    ],
)
def test_an_interrupted_run_says_what_is_kept_and_how_to_go_on(folder, capsys, keep_valid, command_line):
    task = Small(bad=(1,), interrupted=(3,))
    assert command.plant(task, range(6), keep_valid=keep_valid) == command.EXIT_INTERRUPTED
    assert [path.stem for path in list_frozen(folder)] == ["seed0", "seed2"]
    output = capsys.readouterr().out
    assert "Not planted: seeds 1. Try other seeds." in output
    assert output.endswith(f"Interrupted: frozen and kept are seeds 0,2. Continue with: {command_line}\n")


@pytest.mark.usefixtures("folder")
def test_an_interruption_of_the_first_seed_says_that_nothing_is_finished(capsys):
    command.plant(Small(interrupted=(4,)), [4], keep_valid=True)
    assert "Interrupted: no seed was finished. Continue with: scribe-suite plant circuits/small --seeds 4" in (
        capsys.readouterr().out
    )
