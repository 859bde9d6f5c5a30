"""From requests to experiments: what the model has, what the terms allow, and which requests are the same run."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from scribe_suite.laboratory.experiments import Experiment, ExperimentReader
from scribe_suite.laboratory.recipes import Recipe
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import RunRequest, understood
from scribe_suite.laboratory.runs import Runs
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.terms import OPERATIONS, OUTPUTS_ONLY, Terms

from .fakes import LANGUAGE, PLANTED

TOKENS = np.arange(12).reshape(3, 4)
OPEN = Terms(budget=1000)


class Reader:
    """Reads requests for one attempt; `r1` has three prompts of four positions, `r2` one of six."""

    def __init__(self, shape: ModelShape = PLANTED, terms: Terms = OPEN, secret: bytes = b"s") -> None:
        self.runs = Runs()
        self.runs.add("key of r1", Recipe("", TOKENS), ())
        self.runs.add("key of r2", Recipe("", np.zeros((1, 6), dtype=np.int64)), ())
        self.reader = ExperimentReader(shape, terms, self.runs, secret)

    def __call__(
        self, fields: Mapping[str, Any] | None = None, tokens: Any = TOKENS, **tensors: np.ndarray
    ) -> Experiment:
        given = {"tokens": np.asarray(tokens), **tensors}
        return self.reader.experiment(understood(RunRequest, fields or {}), self.reader.prompts(given), given)

    def refusal(self, fields: Mapping[str, Any] | None = None, tokens: Any = TOKENS, **tensors: np.ndarray) -> str:
        with pytest.raises(RefusedError) as refusal:
            self(fields, tokens, **tensors)
        message = str(refusal.value)
        assert message.endswith(".")
        assert "\n" not in message
        assert len(message) < 500
        return message


@pytest.fixture
def read() -> Reader:
    return Reader()


def patch(kind: str, site: str = "m0", **fields: Any) -> dict[str, Any]:
    return {"patch": [{"kind": kind, "site": site, **fields}]}


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([1, 2], "a table of token ids"),
        (np.zeros((0, 4), dtype=int), "a table of token ids"),
        (np.zeros((2, 0), dtype=int), "a table of token ids"),
        (np.zeros((1, 2, 3), dtype=int), "a table of token ids"),
        (np.zeros((2, 4)), "a table of token ids"),
        (np.zeros((2, 4), dtype=bool), "a table of token ids"),
        (np.zeros((4097, 1), dtype=int), "4,097 prompts and 4,097 tokens"),
        (np.zeros((1, 13), dtype=int), "have 13 positions; the model takes 12"),
        ([[20]], "from 0 to 19"),
        ([[-1]], "from 0 to 19"),
        (np.array([[2**64 - 1]], dtype=np.uint64), "from 0 to 19"),
    ],
)
def test_prompts_that_the_model_can_not_run(read, tokens, said):
    assert said in read.refusal(tokens=tokens)


def test_no_prompts_at_all(read):
    with pytest.raises(RefusedError, match="a table of token ids"):
        read.reader.prompts({})


def test_more_tokens_than_one_run_may_have():
    shape = PLANTED.model_copy(update={"n_ctx": 1000})
    assert "262,144" in Reader(shape).refusal(tokens=np.zeros((300, 1000), dtype=int))


def test_small_kinds_of_numbers_are_the_same_prompts(read):
    assert read(tokens=TOKENS.astype(np.uint8)).key == read(tokens=TOKENS).key
    assert read(tokens=np.asfortranarray(TOKENS)).key == read(tokens=TOKENS).key


def test_prompts_of_several_lengths_are_for_language_models():
    lengths = np.array([4, 2, 3])
    assert "all have one length" in Reader().refusal(lengths=lengths)
    read = Reader(LANGUAGE)
    experiment = read(lengths=lengths)
    assert experiment.recipe.lengths is not None
    assert experiment.recipe.tokens.tolist() == [[0, 1, 2, 3], [4, 5, 0, 0], [8, 9, 10, 0]]
    assert experiment.work.units == 9
    assert read().work.units == 12
    assert read(lengths=np.array([4, 4, 4])).key == read().key
    other = TOKENS.copy()
    other[1, 3] = 7  # padding
    assert read(tokens=other, lengths=lengths).key == experiment.key
    for wrong in ([4, 4], [0, 4, 4], [5, 4, 4], [[4, 4, 4]], [4.0, 4, 4]):
        assert "engths are" in read.refusal(lengths=np.array(wrong))
    assert "positions" in read.refusal({"read": ["m0@2"]}, lengths=lengths)
    assert "positions" in read.refusal({"outputs": [2]}, lengths=lengths)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"read": ["m2"]}, "there is no block 2"),
        ({"read": ["a0.h3"]}, "there is no head 3"),
        ({"read": ["m0@4"]}, "the shortest prompt has 4 positions"),
        ({"read": ["m0@-5"]}, "the shortest prompt has 4 positions"),
        ({"read": ["weights"]}, "is not a site"),
        ({"read": ["logits"]}, "is not a site"),
        ({"outputs": []}, "no more than there are"),
        ({"outputs": [0, 1, 2, 3, 3]}, "no more than there are"),
        ({"outputs": [4]}, "the shortest prompt has 4 positions"),
        ({"labels": [5]}, "from 0 to 4"),
        ({"labels": [-1]}, "from 0 to 4"),
        ({"labels": [1, 1]}, "one id twice"),
        ({"outputs": [1, 0, 1]}, "one position twice"),
        ({"outputs": [-1, 3]}, "one position twice"),
        ({"grad": {"of": {"labels": 5}, "at": ["m0"]}}, "from 0 to 4"),
        ({"grad": {"of": {"labels": [1, 2]}, "at": ["m0"]}}, "2 labels for 3 prompts"),
        ({"grad": {"of": {"labels": 1, "minus": [1]}, "at": ["m0"]}}, "1 labels for 3 prompts"),
        ({"grad": {"of": {"labels": 1}, "at": ["m9"]}}, "there is no block 9"),
        (patch("zero", "pattern.0.0"), "can be read only"),
        (patch("zero", "m7"), "there is no block 7"),
        (patch("interchange", run="r9"), "There is no run 'r9'"),
        (patch("interchange", run="r2"), "with 6 positions for prompts with 4: name one position"),
        (patch("interchange", "m0@0", run="r2"), "r2 has 1 prompts and this run has 3"),
        (patch("interchange", "m0@0", run="r2", prompt=1), "none of 0 to 0 of r2"),
        (patch("interchange", run="r1", prompt=-1), "none of 0 to 2 of r1"),
        (patch("interchange", run="r1", prompt=[0, 1]), "names 2 prompts for 3"),
        (patch("mean", run="r2"), "name one position"),
        (patch("path", to="m0", run="r1"), "computed later or at the same time"),
        (patch("path", "resid_pre.1", to="m1", run="r1"), "sends nothing along a path"),
        (patch("path", to="m9", run="r1"), "there is no block 9"),
        (patch("path", to="embed", run="r1"), "is not a receiver"),
        (patch("set", vector="v"), "is the name of a tensor that came with the request"),
        (patch("set", vector="tokens"), "is the name of a tensor that came with the request"),
        (patch("subspace", Q="v", run="r1"), "is the name of a tensor that came with the request"),
    ],
)
def test_what_model_and_runs_do_not_have_is_refused(read, fields, said):
    assert said in read.refusal(fields)


@pytest.mark.parametrize(
    ("site", "tensor", "said"),
    [
        ("m0", floats(7), r"has the shape [7]; it needs [8] or [3, 8] or [3, 4, 8]"),
        ("m0@1", floats(3, 4, 8), r"it needs [8] or [3, 8]."),
        ("m0", floats(2, 8), "has the shape"),
        ("L0.N3", floats(8), r"it needs [1] or [3, 1]"),
        ("m0", np.ones(8, dtype=np.int64), "it needs floats"),
        ("m0", floats(8) * np.nan, "not finite"),
        ("m0", np.full(8, 1e300), "not finite"),
        ("m0", floats(*[1] * 40), "has the shape [1, 1, 1, 1, 1, 1, 1, 1]"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(read, site, tensor, said):
    assert said in read.refusal(patch("add", site, vector="v"), v=tensor)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (floats(8), "it needs [8, directions]"),
        (floats(8, 9), "it needs [8, directions]"),
        (floats(7, 2), "it needs [8, directions]"),
        (floats(8, 2) * 0, "no direction but zero"),
        (floats(8, 2) * np.inf, "not finite"),
    ],
)
def test_subspaces_that_do_not_fit_are_refused(read, tensor, said):
    assert said in read.refusal(patch("subspace", Q="v", run="r1"), v=tensor)


def test_tensors_that_nobody_asked_for_are_refused(read):
    assert "No patch uses the tensor 'v'" in read.refusal({}, v=floats(8))


def test_vectors_of_every_shape_fit(read):
    for shape in ((8,), (3, 8), (3, 4, 8)):
        (vector,) = read(patch("set", vector="v"), v=floats(*shape)).recipe.vectors.values()
        assert vector.shape == shape
    assert read(patch("add", "L1.N5@-1", vector="v"), v=floats(1)).recipe.patches[0]["site"] == "L1.N5@-1"
    assert read(patch("subspace", Q="v", run="r1", prompt=1), v=np.eye(8)).needs == ("r1",)


#: What a run needs the terms for -> such a run.
NEEDS = {
    "read": {"read": ["m0"]},
    "pattern": {"read": ["pattern.0.0"]},
    "patch": patch("zero"),
    "vector": patch("set", vector="v"),
    "path": patch("path", to="logits", run="r1"),
    "grad": {"grad": {"of": {"labels": 1}, "at": ["m0"]}},
}


def given(fields: dict[str, Any]) -> dict[str, np.ndarray]:
    """The tensors that such a run needs."""
    return {"v": floats(8)} if fields == NEEDS["vector"] else {}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_terms_allow_and_forbid_each_operation_by_itself(operation):
    assert set(NEEDS) == OPERATIONS
    only = Reader(terms=Terms(budget=1000, operations=frozenset({operation})))
    without = Reader(terms=Terms(budget=1000, operations=OPERATIONS - {operation}))
    for other, fields in NEEDS.items():
        if other == operation:
            only(fields, **given(fields))
            without.refusal(fields, **given(fields))
        else:
            without(fields, **given(fields))
            only.refusal(fields, **given(fields))


def test_outputs_are_given_at_the_last_position_alone_where_the_terms_say_so():
    read = Reader(terms=Terms(budget=1000, positions="last"))
    assert read({}).wanted.outputs == "last"
    for outputs in ("all", [0], [-1]):
        assert "at the last position only" in read.refusal({"outputs": outputs})


def test_a_black_box_gives_outputs_and_nothing_else():
    read = Reader(terms=Terms(budget=1000, operations=OUTPUTS_ONLY, returns="labels"))
    assert read({"outputs": "all"}).wanted.returns == "labels"
    for fields in NEEDS.values():
        assert "laboratory" in read.refusal(fields, **given(fields))


@pytest.mark.parametrize(("kind", "fields"), [("zero", {}), ("mean", {"run": "r1"}), ("interchange", {"run": "r1"})])
def test_values_of_runs_and_vectors_are_allowed_by_themselves(kind, fields):
    only = Reader(terms=Terms(budget=1000, operations=frozenset({"patch"})))
    only(patch(kind, **fields))
    for vector in (patch("add", vector="v"), patch("set", vector="v")):
        assert "vectors" in only.refusal(vector, v=floats(8))
    assert "vectors" in only.refusal(patch("subspace", Q="v", run="r1"), v=floats(8, 2))


def test_gradients_at_patterns_need_both(read):
    fields = {"grad": {"of": {"labels": 1}, "at": ["pattern.0.1"]}}
    read(fields)
    assert "patterns" in Reader(terms=Terms(budget=9, operations=frozenset({"grad"}))).refusal(fields)


def test_sites_of_a_run_are_counted_each_once():
    read = Reader(terms=Terms(budget=1000, sites_per_run=2))
    assert read({"read": ["m0", "m1", "m0"]}).work.sites == 2
    assert "at most 2 sites" in read.refusal({"read": ["m0", "m1", "m0@1"]})
    assert "not 3" in read.refusal({"read": ["m0", "m1"], "grad": {"of": {"labels": 1}, "at": ["m0"]}})


def test_what_no_answer_can_hold_is_refused_before_it_is_run():
    shape = PLANTED.model_copy(update={"d_model": 4096, "n_ctx": 64, "d_vocab_out": 50_000})
    read = Reader(shape)
    many = np.zeros((300, 64), dtype=int)
    assert "The run would return 300 MiB" in read.refusal({"read": ["m0"], "labels": [1]}, many)
    assert "MiB" in read.refusal({"outputs": "all"}, many)
    read({"outputs": "all", "labels": [1]}, many)
    read({"read": ["m0@-1"], "labels": [1]}, many)


def test_the_work_of_a_run_is_what_its_price_depends_on(read):
    work = read({"read": ["m0"], **patch("zero"), "grad": {"of": {"labels": 1}, "at": ["m1", "embed"]}}).work
    assert (work.units, work.patched, work.gradients, work.sites) == (3, True, True, 3)
    plain = read().work
    assert (plain.units, plain.patched, plain.gradients, plain.sites) == (3, False, False, 0)


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"read": ["m0", "embed"]}, {"read": ["embed", "m0", "m0"]}),
    ({"outputs": "last"}, {}),
    ({"labels": None}, {}),
    ({"patch": [*patch("zero", "m1")["patch"], *patch("zero", "m0")["patch"]]},
     {"patch": [*patch("zero", "m0")["patch"], *patch("zero", "m1")["patch"]]}),
    (patch("interchange", run="r1"), patch("interchange", run="r1", prompt=None)),
    ({"grad": {"of": {"labels": 1}, "at": ["m0", "m1"]}}, {"grad": {"of": {"labels": [1, 1, 1]}, "at": ["m1", "m0"]}}),
]  # fmt: skip
OTHER: list[dict[str, Any]] = [
    {},
    {"read": ["m0"]},
    {"read": ["m0@0"]},
    {"read": ["m0@-4"]},
    {"outputs": "all"},
    {"outputs": [-1]},
    {"outputs": [0]},
    {"labels": [0, 1]},
    {"labels": [1, 0]},
    patch("zero"),
    patch("zero", "m1"),
    patch("mean", run="r1"),
    patch("interchange", run="r1"),
    patch("interchange", run="r1", prompt=0),
    patch("interchange", run="r1", prompt=[0, 0, 0]),
    patch("interchange", "m0@0", run="r2", prompt=0),
    patch("path", to="logits", run="r1"),
    patch("path", to="m1", run="r1"),
    {"patch": [*patch("zero")["patch"], *patch("mean", run="r1")["patch"]]},
    {"patch": [*patch("mean", run="r1")["patch"], *patch("zero")["patch"]]},
    {"grad": {"of": {"labels": 1}, "at": ["m0"]}},
    {"grad": {"of": {"labels": 1, "minus": 2}, "at": ["m0"]}},
    {"grad": {"of": {"labels": 2, "minus": 1}, "at": ["m0"]}},
]


def test_requests_that_mean_the_same_are_the_same_run(read):
    for one, other in SAME:
        assert read(one).key == read(other).key, (one, other)
        assert read(one).wanted == read(other).wanted


def test_requests_that_mean_something_else_are_another_run(read):
    keys = [read(fields).key for fields in OTHER]
    keys += [read(patch(kind, vector="v"), v=floats(8) * size).key for kind in ("add", "set") for size in (1, 2)]
    keys += [read(tokens=TOKENS[::-1]).key, read(tokens=TOKENS.reshape(4, 3)).key, read(tokens=TOKENS[:1]).key]
    assert len(set(keys)) == len(keys)


def test_a_vector_is_known_by_what_is_in_it_and_not_by_its_name(read):
    one = read(patch("add", vector="v"), v=floats(8))
    other = read(patch("add", vector="mine"), mine=np.ones(8, dtype=np.float64))
    assert one.key == other.key
    assert list(one.recipe.vectors) == list(other.recipe.vectors) == [one.recipe.patches[0]["vector"]]


def test_the_same_run_has_the_same_key_whatever_ids_other_runs_have():
    one, other = Reader(), Reader()
    other.runs = Runs()
    other.runs.add("something else", Recipe("", TOKENS), ())
    other.runs.add("key of r1", Recipe("", TOKENS), ())
    other.reader = ExperimentReader(PLANTED, OPEN, other.runs, b"s")
    assert one(patch("mean", run="r1")).key == other(patch("mean", run="r2")).key


def test_noise_and_samples_are_drawn_from_a_secret_and_the_run():
    seed = Reader()({"read": ["m0"]}).wanted.seed
    assert Reader()({"read": ["m0"]}).wanted.seed == seed
    assert Reader()({"read": ["m1"]}).wanted.seed != seed
    assert Reader(secret=b"other")({"read": ["m0"]}).wanted.seed != seed
    assert Reader()({"read": ["m0"]}).key not in seed


def test_terms_are_what_is_wanted_whatever_is_asked_for():
    terms = Terms(budget=1, returns="samples", temperature=0.5, decimals=2, read_noise=0.1)
    wanted = Reader(terms=terms)({"read": ["m0"]}).wanted
    assert (wanted.returns, wanted.temperature, wanted.decimals, wanted.read_noise) == ("samples", 0.5, 2, 0.1)


def test_requests_at_random_are_run_or_refused_and_nothing_else():
    done = 0
    sites = ["m0", "m1@-1", "embed", "a0.h2", "pattern.1.1", "k.0.1", "L0.N3", "resid_mid.1@3", "m5", "?"]
    kinds = ["interchange", "zero", "mean", "add", "set", "subspace", "path"]
    for seed in range(3000):
        draw = random.Random(seed)
        read = Reader(draw.choice([PLANTED, LANGUAGE]))
        each: dict[str, Any] = {"kind": draw.choice(kinds), "site": draw.choice(sites)}
        for name, values in {
            "run": ["r1", "r2", "r3", "", 1],
            "prompt": [None, 0, 2, -1, [0, 1, 2], [9], "x"],
            "vector": ["v", "tokens", "w"],
            "Q": ["v", "w"],
            "to": ["logits", "m1", "q.1.0", "k.1.1", "m0", "x"],
        }.items():
            if draw.random() < 0.4:
                each[name] = draw.choice(values)
        fields = {
            "patch": [each] * draw.randint(0, 2),
            "read": draw.sample(sites, draw.randint(0, 2)),
            "outputs": draw.choice(["last", "all", [0], [-9], []]),
            "labels": draw.choice([None, [1], [0, 4], [777]]),
        }
        shape = draw.choice([(8,), (3, 8), (3, 4, 8), (8, 2), (1,), ()])
        tensors = {"v": np.ones(shape, dtype=np.float32)} if draw.random() < 0.3 else {}
        try:
            experiment = read(fields, **tensors)
        except RefusedError:
            continue
        done += 1
        assert experiment.work.units in (3, 12)
        assert len(experiment.recipe.patches) == len(fields["patch"])
    assert 100 < done < 2000


@pytest.mark.parametrize("returns", ["labels", "samples"])
def test_ids_that_are_drawn_can_not_be_narrowed_down(returns):
    read = Reader(terms=Terms(budget=1000, returns=returns))
    assert "labels= can't restrict them" in read.refusal({"labels": [1, 2]})
    assert read({}).wanted.labels is None
