import random
import subprocess
import sys

from scribe_suite.seeds import attempt_seed, derive_seed, fresh_run_seed, instance_rng


def test_the_same_names_give_the_same_seed_in_every_process():
    code = "from scribe_suite.seeds import derive_seed; print(derive_seed(7, 'circuits/toy', 0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == derive_seed(7, "circuits/toy", 0)


def test_every_part_of_the_name_matters():
    seeds = {
        derive_seed(7, "circuits/toy", 0),
        derive_seed(8, "circuits/toy", 0),
        derive_seed(7, "circuits/other", 0),
        derive_seed(7, "circuits/toy", 1),
        derive_seed(7, "circuits/to", "y", 0),
    }
    assert len(seeds) == 5


def test_seeds_fit_where_seeds_go():
    for seed in (fresh_run_seed(), derive_seed(1, "x")):
        assert 0 <= seed < 2**63


def test_fresh_seeds_differ():
    assert len({fresh_run_seed() for _ in range(50)}) == 50


def test_the_seed_of_an_attempt_depends_on_run_task_and_trial_alone():
    assert attempt_seed(7, "circuits/toy", 0) == derive_seed(7, "circuits/toy", 0)
    assert len({attempt_seed(run, task, trial) for run in (1, 2) for task in ("a", "b") for trial in (0, 1)}) == 8


def test_what_instances_are_drawn_with_stays_as_certificates_were_measured():
    assert instance_rng("probes/cities", 5).random() == random.Random("probes/cities 5").random()
    assert instance_rng("probes/cities", 5, "base").random() == random.Random("probes/cities base 5").random()
