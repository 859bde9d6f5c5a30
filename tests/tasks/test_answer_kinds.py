"""Every answer that can't be scored gets one sentence that names the thing and says what to do."""

from __future__ import annotations

import json

import pytest

from scribe_suite.tasks.answer_kinds import NeuronAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from tests.tasks.schemas import (
    BEHAVIOUR,
    CIRCUIT,
    COMMON,
    DIRECTION,
    EDGES,
    ENCODING,
    EXPLANATION,
    EXPLANATIONS,
    LETTERS,
    MECHANISM,
    NEURONS,
    PREDICT,
    PROBE,
    RANKING,
    READ_AND_WRITE,
    ROLES,
    STEERING,
    SUBSPACE,
    TEXT_PROBE,
    USED,
    WINDOW,
    parse,
    refusal,
    refused,
)


class TestComponents:
    def test_known_components_are_kept_in_order_without_duplicates(self):
        assert parse(CIRCUIT, components=["m0", "a0.h1", "m0"]).components == ["m0", "a0.h1"]

    @pytest.mark.parametrize("name", ["a1.h0", "A0.H0", "m00", " m0", "a0.h0.q", ""])
    def test_an_unknown_component_is_named(self, name):
        assert f"components: the model has no component {name!r}" in refused(CIRCUIT, components=["m0", name])

    @pytest.mark.parametrize("components", ["m0", {"m0": 1}, [["m0"]], [0], None])
    def test_the_content_is_a_list_of_names(self, components):
        assert "components" in refused(CIRCUIT, components=components)

    def test_of_many_unknown_names_only_some_are_shown(self):
        message = refused(CIRCUIT, components=[f"a9.h{head}" for head in range(1000)])
        assert "a9.h4" in message
        assert "a9.h5" not in message


class TestEdges:
    def test_known_edges_are_kept_in_order_without_duplicates(self):
        assert parse(EDGES, edges=["m0->a1.h0.v", "embed->m0", "m0->a1.h0.v"]).edges == ["m0->a1.h0.v", "embed->m0"]

    @pytest.mark.parametrize("name", ["m0->a1.h0", "a1.h0->m0", "m0", "", "m0 ->a1.h0.v"])
    def test_what_is_no_edge_is_named(self, name):
        assert f"edges: '{name}'" in refused(EDGES, edges=["embed->m0", name])

    @pytest.mark.parametrize("edges", ["embed->m0", {"embed->m0": 1}, [["embed", "m0"]], [0], None])
    def test_the_content_is_a_list_of_names(self, edges):
        assert "edges" in refused(EDGES, edges=edges)


class TestRoles:
    def test_known_components_with_known_roles_pass(self):
        assert ROLES.parse(json.dumps(dict(ROLES.example))).roles == {"a0.h0": "supports", "m0": "suppresses"}

    @pytest.mark.parametrize("name", ["a1.h0", "M0", "m0+", ""])
    def test_an_unknown_component_is_named(self, name):
        message = refused(ROLES, roles={"m0": "supports", name: "supports"})
        assert f"roles: the model has no component {name!r}" in message

    @pytest.mark.parametrize("role", ["supresses", "Supports", "+", "", None, 1, True, ["supports"]])
    def test_another_role_is_refused_with_both_roles_and_the_component(self, role):
        message = refused(ROLES, roles={"m0": role})
        assert "roles.m0: " in message
        assert "'supports' or 'suppresses'" in message

    @pytest.mark.parametrize("roles", ["m0", ["m0"], [["m0", "supports"]], None])
    def test_the_content_maps_components_to_roles(self, roles):
        assert "roles: " in refused(ROLES, roles=roles)


class TestRankings:
    def test_known_components_keep_their_order(self):
        assert RANKING.parse(json.dumps(dict(RANKING.example))).ranking == ["m0", "a0.h1"]

    def test_an_unknown_component_is_named(self):
        assert "ranking: the model has no component 'm1'" in refused(RANKING, ranking=["m0", "m1"])

    def test_a_component_has_one_place(self):
        assert "ranking: 'm0' occurs more than once" in refused(RANKING, ranking=["m0", "a0.h0", "m0"])

    @pytest.mark.parametrize("ranking", ["m0", {"m0": 1}, [["m0"]], [1], None])
    def test_the_content_is_a_list_of_names(self, ranking):
        assert "ranking" in refused(RANKING, ranking=ranking)


class TestNeurons:
    def test_existing_neurons_pass(self):
        assert parse(NEURONS, neurons=["L1.N15", "L0.N0"]).neurons == ["L1.N15", "L0.N0"]

    def test_more_neurons_than_are_asked_for_are_refused(self):
        schema = AnswerSchema(NeuronAnswer, {**NEURONS.facts, "max_neurons": 2}, NEURONS.example)
        assert parse(schema, neurons=["L0.N0", "L0.N1", "L0.N0"]).neurons == ["L0.N0", "L0.N1"]
        message = refused(schema, neurons=["L0.N0", "L0.N1", "L0.N2"])
        assert "neurons: has 3 neurons, and at most 2 are asked for: give the best ones" in message

    @pytest.mark.parametrize(
        "name", ["L2.N0", "L0.N16", "L00.N1", "L0.N01", "L-1.N0", "0.3", "L0N3", "L0.N3\n", "L0.N9999999999"]
    )
    def test_an_unknown_neuron_is_named(self, name):
        assert "neurons: the model has no neuron " in refused(NEURONS, neurons=[name])


class TestLetters:
    def test_every_letter_has_a_neuron_or_null(self):
        given = {"k": "L1.N15", "s": None, "t": "L0.N0"}
        answer = parse(LETTERS, neurons=given)
        assert answer.neurons == given
        assert not answer.is_empty()

    def test_one_neuron_may_be_named_for_two_letters(self):
        given = {"k": "L1.N1", "s": "L1.N1", "t": None}
        assert parse(LETTERS, neurons=given).neurons == given

    def test_letters_that_are_left_out_are_named(self):
        message = refused(LETTERS, neurons={"s": "L0.N1"})
        assert "neurons: has nothing for 'k', 't': give a neuron, or null if there is none" in message

    @pytest.mark.parametrize("letter", ["x", "K", "", " k"])
    def test_a_letter_that_was_not_asked_for_is_named_with_the_choices(self, letter):
        message = refused(LETTERS, neurons={"k": "L0.N1", "s": None, "t": None, letter: "L0.N2"})
        assert f"neurons: {letter!r} was not asked for: the letters are k, s, t" in message

    def test_a_letter_that_was_not_asked_for_is_refused_without_a_neuron_too(self):
        assert "was not asked for" in refused(LETTERS, neurons={"x": None})

    @pytest.mark.parametrize("name", ["L2.N0", "L0.N16", "L0.N01", "", "none", "a0.h1"])
    def test_an_unknown_neuron_is_named(self, name):
        message = refused(LETTERS, neurons={"k": "L0.N1", "s": name, "t": None})
        assert f"neurons: the model has no neuron {name!r}" in message

    @pytest.mark.parametrize("value", [["L0.N1"], 3, False, {"L0.N1": 1.0}])
    def test_a_neuron_is_given_by_its_name(self, value):
        assert "neurons.k: " in refused(LETTERS, neurons={"k": value, "s": None, "t": None})

    def test_a_list_of_neurons_is_no_answer(self):
        assert "neurons: " in refused(LETTERS, neurons=["L0.N1", "L0.N2", "L0.N3"])

    def test_null_for_all_letters_is_an_answer(self):
        answer = parse(LETTERS, neurons=dict.fromkeys("kst"))
        assert answer.neurons == dict.fromkeys("kst")
        assert answer.is_empty()

    def test_the_example_is_an_answer(self):
        assert LETTERS.parse(json.dumps(dict(LETTERS.example))).neurons["k"] == "L0.N3"

    def test_long_names_are_cut_in_messages(self):
        long = "k" * 5_000
        for neurons in ({long: "L0.N1"}, {"k": long, "s": None, "t": None}, {long: [3], "k": None}):
            message = refused(LETTERS, neurons=neurons)
            assert len(message) < 500
            assert "k" * 100 not in message

    def test_many_unknown_letters_are_not_all_listed(self):
        message = refused(LETTERS, neurons={f"letter {number}": None for number in range(500)})
        assert len(message) < 500


class TestProbes:
    def test_defaults_are_the_last_token_no_bias_and_no_center(self):
        answer = parse(PROBE, weight=[1, 2, 3, 4])
        assert (answer.layer, answer.position, answer.bias, answer.center) == (0, "last", 0.0, [])

    @pytest.mark.parametrize("name", ["weight", "center"])
    @pytest.mark.parametrize("length", [1, 3, 5, 4000])
    def test_a_vector_of_another_width_is_refused_with_both_widths(self, name, length):
        message = refused(PROBE, **{"weight": [1.0] * 4, name: [1.0] * length})
        assert f"{name}: must have d_model = 4 numbers, got {length}" in message

    @pytest.mark.parametrize("name", ["weight", "center", "bias"])
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_are_finite(self, name, number):
        fields = {"weight": [1.0] * 4, "center": [0.0] * 4, "bias": 0.0}
        fields[name] = number if name == "bias" else [number, 0.0, 0.0, 0.0]
        message = refused(PROBE, **fields)
        assert name in message
        assert "finite" in message

    @pytest.mark.parametrize("text", ["1e400", "-1e999"])
    def test_a_number_that_overflows_is_refused(self, text):
        raw = json.dumps({**COMMON, "weight": ["HERE", 0, 0, 0]}).replace('"HERE"', text)
        assert "weight.0: " in refusal(PROBE, raw)

    def test_an_integer_beyond_float_is_refused(self):
        assert "weight.0: " in refused(PROBE, weight=[10**400, 0, 0, 0])

    @pytest.mark.parametrize("layer", [-1, 3, 10**30])
    def test_a_layer_that_does_not_exist_is_refused_with_the_range(self, layer):
        assert "layer: " in refused(PROBE, weight=[1.0] * 4, layer=layer)

    @pytest.mark.parametrize("layer", [1.5, "one", None, [1]])
    def test_a_layer_is_an_integer(self, layer):
        assert "layer: " in refused(PROBE, weight=[1.0] * 4, layer=layer)

    @pytest.mark.parametrize("position", ["last", 0, 8, -1, -9])
    def test_positions_inside_the_statement_pass(self, position):
        assert parse(PROBE, weight=[1.0] * 4, position=position).position == position

    @pytest.mark.parametrize("position", [9, -10, 10**30, "first", "", "x" * 5_000, 1.5, None])
    def test_other_positions_are_refused(self, position):
        assert "position" in refused(PROBE, weight=[1.0] * 4, position=position)

    @pytest.mark.parametrize("weight", [[[1.0] * 4], "1,2,3,4", {"0": 1.0}, [None] * 4, 1.0])
    def test_weight_is_a_flat_list_of_numbers(self, weight):
        assert "weight" in refused(PROBE, weight=weight)


class TestDirections:
    def test_defaults_are_the_first_layer_and_the_last_token(self):
        answer = parse(DIRECTION, direction=[1, 2, 3, 4])
        assert (answer.layer, answer.position, answer.direction) == (0, "last", [1.0, 2.0, 3.0, 4.0])

    @pytest.mark.parametrize("length", [1, 3, 5, 4000])
    def test_a_direction_of_another_width_is_refused_with_both_widths(self, length):
        message = refused(DIRECTION, direction=[1.0] * length)
        assert f"direction: must have d_model = 4 numbers, got {length}" in message

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_are_finite(self, number):
        message = refused(DIRECTION, direction=[number, 0.0, 0.0, 0.0])
        assert "direction.0: " in message
        assert "finite" in message

    @pytest.mark.parametrize("layer", [-1, 3, 10**30])
    def test_a_layer_that_does_not_exist_is_refused_with_the_range(self, layer):
        message = refused(DIRECTION, direction=[1.0] * 4, layer=layer)
        assert f"layer: must be between 0 and 2, got {layer}" in message

    @pytest.mark.parametrize("layer", [1.5, "one", None, [1], True])
    def test_a_layer_is_an_integer(self, layer):
        assert "layer: " in refused(DIRECTION, direction=[1.0] * 4, layer=layer)

    @pytest.mark.parametrize("position", ["last", 0, 8, -1, -9])
    def test_positions_inside_the_statement_pass(self, position):
        assert parse(DIRECTION, direction=[1.0] * 4, position=position).position == position

    @pytest.mark.parametrize("position", [9, -10, 10**30, "first", "", "x" * 5_000, 1.5, None])
    def test_other_positions_are_refused(self, position):
        assert "position" in refused(DIRECTION, direction=[1.0] * 4, position=position)

    def test_zeros_are_a_direction_that_was_submitted(self):
        assert not parse(DIRECTION, direction=[0.0] * 4).is_empty()

    @pytest.mark.parametrize("direction", [[[1.0] * 4], "1,2,3,4", {"0": 1.0}, [None] * 4, 1.0])
    def test_a_direction_is_a_flat_list_of_numbers(self, direction):
        assert "direction" in refused(DIRECTION, direction=direction)

    @pytest.mark.parametrize("name", ["weight", "bias", "center"])
    def test_what_belongs_to_a_probe_is_refused(self, name):
        message = refused(DIRECTION, direction=[1.0] * 4, **{name: 0.0})
        assert f"{name}: Extra inputs are not permitted" in message

    def test_the_direction_must_be_given(self):
        assert "direction: Field required" in refused(DIRECTION)

    def test_the_example_is_an_answer(self):
        assert DIRECTION.parse(json.dumps(dict(DIRECTION.example))).direction == [0.0, 1.0, 0.0, 0.0]


class TestBehaviours:
    def parse(self, code=PREDICT, components=("m0",), **fields):
        return parse(BEHAVIOUR, code=code, components=list(components), **fields)

    def refused(self, code=PREDICT, components=("m0",), **fields):
        return refused(BEHAVIOUR, code=code, components=list(components), **fields)

    def test_code_is_kept_as_it_is_and_never_run(self):
        code = f"raise SystemExit\n{PREDICT}"
        answer = self.parse(code, ["m0", "a0.h1", "m0"])
        assert (answer.code, answer.components) == (code, ["m0", "a0.h1"])

    @pytest.mark.parametrize(
        "code",
        [
            "def predict(prompts, /): return 1",
            "def predict(prompts, table={}): return 1",
            "def predict(*batches): return 1",
            "def predict(prompts, *rest, base=2, **others): return 1",
            "def predict(prompts=()): return 1",
            "def predict(prompts):\n    yield 1",
            "import numpy as np\n@np.errstate(all='ignore')\ndef predict(prompts): return 1",
            "def predict(): ...\ndef predict(prompts): return 1",
            "def predict(prompts): return '\\d'",
            "def predict(prompts: 'list[list[int]]') -> 'list[int]': return '\u00e9'",
        ],
    )
    def test_a_function_that_takes_one_argument_passes(self, code):
        assert self.parse(code).code == code

    @pytest.mark.filterwarnings("error")
    def test_what_python_only_warns_of_is_no_error(self):
        assert not self.parse("def predict(prompts): return '\\d' is 3").is_empty()

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("def predict(prompts) return 1", "code: is not Python: expected ':', line 1"),
            ("x = 1\n\n  def predict(prompts): return 1", "code: is not Python: unexpected indent, line 3"),
            ("def predict(prompts):", "line 1"),
            ("def predict(prompts): return '\0'", "code: "),
            ("(" * 9_000, "code: is not Python: too many nested parentheses, line 1"),
            ("not " * 4_900 + "1", "code: is nested too deeply for Python's parser: write it in smaller expressions."),
            ("-" * 19_000 + "1", "code: is nested too deeply for Python's parser: write it in smaller expressions."),
            ("1" * 19_000, "code: is not Python: Exceeds the limit"),
            ("```python\ndef predict(prompts): return 1\n```", "code: is not Python: invalid syntax, line 1"),
        ],
        ids=["colon", "indent", "no body", "null", "parentheses", "deep", "deeper", "number", "fence"],
    )
    def test_what_is_not_python_is_told_with_its_line(self, code, message):
        assert message in self.refused(code)

    @pytest.mark.parametrize(
        "code",
        [
            "1",
            "# nothing",
            "def Predict(prompts): return 1",
            "predict = len",
            "class A:\n    def predict(prompts): return 1",
            "if True:\n    def predict(prompts): return 1",
        ],
    )
    def test_code_without_the_function_is_refused(self, code):
        message = self.refused(code)
        assert message.endswith(
            "code: must define a function 'predict' at its top level, as in `def predict(prompts): ...`."
        )

    @pytest.mark.parametrize("arguments", ["", "a, b", "a, /, b", "a, *, b", "*, a", "**a"])
    def test_a_function_that_cannot_take_one_argument_is_refused(self, arguments):
        message = self.refused(f"import math\ndef predict({arguments}): return 1")
        assert "code: 'predict' in line 2 must be callable with one argument, as in" in message
        assert not message.endswith("....")

    def test_an_async_function_is_refused(self):
        assert "'async def' in line 1" in self.refused("async def predict(prompts): return 1")

    def test_very_long_code_is_refused(self):
        assert "20000 characters" in self.refused(PREDICT + "#" * 20_000)

    @pytest.mark.parametrize("code", [None, 3, ["x"], {"predict": 1}])
    def test_code_is_text(self, code):
        assert "code: " in self.refused(code)

    def test_unknown_components_are_named(self):
        assert "components: the model has no component 'm7'" in self.refused(components=["m7"])

    @pytest.mark.parametrize(("code", "components"), [(PREDICT, []), ("", ["m0"])])
    def test_one_half_is_an_answer(self, code, components):
        answer = self.parse(code, components)
        assert answer.code == code
        assert not answer.is_empty()

    @pytest.mark.parametrize("missing", ["code", "components"])
    def test_both_halves_must_be_given(self, missing):
        fields = {key: value for key, value in BEHAVIOUR.example.items() if key != missing}
        assert f"{missing}: Field required" in refusal(BEHAVIOUR, json.dumps(fields))


@pytest.mark.parametrize("position", ["last", -1, -9])
def test_a_probe_on_texts_counts_positions_from_the_end(position):
    assert parse(TEXT_PROBE, weight=[0.0] * 4, position=position).position == position


@pytest.mark.parametrize("position", [0, 3, -10])
def test_a_probe_on_texts_of_different_lengths_has_no_other_positions(position):
    message = refused(TEXT_PROBE, weight=[0.0] * 4, position=position)
    assert "between -9 and -1" in message
    assert f"got {position}" in message


def test_a_probe_on_texts_knows_only_the_word_last():
    assert '"last" or a negative integer' in refused(TEXT_PROBE, weight=[0.0] * 4, position="first")


class TestMechanisms:
    @pytest.mark.parametrize(
        "code",
        [
            "def predict(base, source, patched): return 1",
            "def predict(a, b, c, table={}): return 1",
            "def predict(*triple): return 1",
            "def predict(base, *more): return 1",
        ],
    )
    def test_a_function_that_takes_three_arguments_passes(self, code):
        assert parse(MECHANISM, code=code).code == code

    @pytest.mark.parametrize("arguments", ["", "prompts", "a, b", "a, b, c, d", "a, b, *, c", "**a"])
    def test_a_function_that_takes_another_number_is_refused(self, arguments):
        message = refused(MECHANISM, code=f"def predict({arguments}): return 1")
        shown = "as in `def predict(base, source, patched): ...`"
        assert f"code: 'predict' in line 1 must be callable with three arguments, {shown}" in message

    def test_no_code_is_an_answer_that_reports_nothing(self):
        assert parse(MECHANISM, code=" \n").is_empty()


class TestExplanations:
    @pytest.mark.parametrize("schema", [EXPLANATION, EXPLANATIONS])
    def test_the_example_and_no_code_at_all_are_answers(self, schema):
        schema.check()
        assert parse(schema, code=" \n").is_empty()

    def test_one_neuron_asks_for_a_function_of_the_tokens(self):
        assert not parse(EXPLANATION, code="def predict(tokens): return [1]").is_empty()
        message = refused(EXPLANATION, code="def predict(tokens, neuron): return [1]")
        assert "must be callable with one argument, as in `def predict(tokens): ...`" in message

    def test_several_neurons_ask_for_a_function_that_is_told_which(self):
        assert not parse(EXPLANATIONS, code="def predict(tokens, which=None): return [1]").is_empty()
        message = refused(EXPLANATIONS, code="def predict(tokens): return [1]")
        assert "must be callable with two arguments, as in `def predict(tokens, neuron): ...`" in message

    def test_a_table_of_everything_is_too_long(self):
        assert "at most 20000 characters" in refused(EXPLANATION, code=f"TABLE = {list(range(5000))}\n")


class TestSubspaces:
    def test_directions_of_the_width_at_a_site_pass(self):
        found = parse(SUBSPACE, layer=2, site="mlp_out", position=-9, directions=[[1.0] * 4, [0, 1, 2, 3]])
        assert (found.layer, found.site, found.position) == (2, "mlp_out", -9)
        assert found.directions == [[1.0] * 4, [0.0, 1.0, 2.0, 3.0]]

    def test_layer_site_and_position_may_be_left_out(self):
        found = parse(SUBSPACE, directions=[[1.0] * 4])
        assert (found.layer, found.site, found.position) == (0, "resid_post", "last")

    @pytest.mark.parametrize("site", ["resid_pre", "hook_resid_post", "", "z" * 500])
    def test_another_site_is_refused_with_those_that_there_are(self, site):
        assert "site: must be one of mlp_out, resid_post, got " in refused(SUBSPACE, site=site, directions=[])

    def test_more_directions_than_are_allowed_are_refused(self):
        message = refused(SUBSPACE, directions=[[1.0] * 4] * 3)
        assert "directions: has 3 directions, and at most 2 are allowed: give one list for each" in message

    def test_a_matrix_the_other_way_round_is_refused_with_the_width(self):
        assert "must be lists of d_model = 4 numbers each, got one of 2" in refused(
            SUBSPACE, directions=[[1.0] * 2] * 2
        )

    @pytest.mark.parametrize("directions", [[1.0] * 4, "x", {"a": [1.0] * 4}, [["a"] * 4], [[float("nan")] * 4], None])
    def test_what_is_no_list_of_lists_of_numbers_is_refused(self, directions):
        assert "directions" in refused(SUBSPACE, directions=directions)


class TestSteering:
    def test_a_vector_after_a_layer_passes_and_so_does_nothing_without_one(self):
        found = parse(STEERING, layer=2, vector=[1, 0, 0, 2])
        assert (found.layer, found.vector, found.says_nothing_found()) == (2, [1.0, 0.0, 0.0, 2.0], False)
        assert parse(STEERING, nothing_found=True).says_nothing_found()
        assert parse(STEERING, nothing_found=True, layer=1, vector=[]).is_empty()

    @pytest.mark.parametrize("layer", [0, 3, -1])
    def test_another_layer_is_refused_with_those_that_there_are(self, layer):
        assert f"layer: must be one of 1, 2, got {layer}" in refused(STEERING, layer=layer, vector=[1.0] * 4)

    def test_a_vector_without_a_layer_or_of_another_width_is_refused(self):
        assert "'layer' is missing" in refused(STEERING, vector=[1.0] * 4)
        assert "must have d_model = 4 numbers, got 3" in refused(STEERING, layer=1, vector=[1.0] * 3)

    def test_neither_a_vector_nor_nothing_found_is_refused_and_so_are_both(self):
        assert "set 'nothing_found' to true" in refused(STEERING, layer=1, vector=[])
        assert "'vector' must be empty" in refused(STEERING, layer=1, vector=[1.0] * 4, nothing_found=True)


class TestWindows:
    DIRECTIONS = ((1.0,) * 4,)

    @pytest.mark.parametrize("position", [8, -1, "last"])
    def test_a_subspace_inside_passes_however_the_position_is_written(self, position):
        found = parse(WINDOW, layer=5, position=position, directions=self.DIRECTIONS)
        assert (found.layer, found.site, found.says_nothing_found()) == (5, "resid_post", False)

    @pytest.mark.parametrize("layer", [{}, {"layer": 2}, {"layer": 6}])
    def test_another_layer_is_refused_and_so_is_none(self, layer):
        message = refused(WINDOW, directions=self.DIRECTIONS, **layer)
        assert "'layer' must be between 3 and 5, the layers that are asked about" in message

    @pytest.mark.parametrize("position", [0, 7, -2])
    def test_another_position_is_refused(self, position):
        message = refused(WINDOW, layer=3, position=position, directions=self.DIRECTIONS)
        assert "'position' must be 8, the position that is asked about" in message

    def test_what_does_not_exist_is_refused_as_elsewhere(self):
        assert "layer: must be between 0 and 8, got 9" in refused(WINDOW, layer=9, directions=self.DIRECTIONS)
        assert "site: must be one of" in refused(WINDOW, layer=3, site="embed", directions=self.DIRECTIONS)
        assert "at most 2 are allowed" in refused(WINDOW, layer=3, directions=self.DIRECTIONS * 3)

    def test_finding_nothing_needs_no_place(self):
        assert parse(WINDOW, directions=[], nothing_found=True).says_nothing_found() is True


class TestReadingAndWriting:
    def test_code_that_defines_both_passes_and_blank_code_is_no_answer(self):
        assert parse(ENCODING, code=READ_AND_WRITE).code == READ_AND_WRITE
        assert parse(ENCODING, code=" \n").is_empty()

    @pytest.mark.parametrize(
        ("code", "says"),
        [
            ("def read(activation):\n    return 0\n", "must define a function 'write' at its top level"),
            ("def write(activation, value):\n    return activation\n", "must define a function 'read'"),
            (READ_AND_WRITE.replace("activation, value", "activation"), "'write' in line 5 must be callable with two"),
            (READ_AND_WRITE.replace("read(activation)", "read(a, b)"), "'read' in line 1 must be callable with one"),
            (READ_AND_WRITE.replace("def read", "async def read"), "'read' must be a plain function"),
            ("def read(:", "is not Python"),
        ],
    )
    def test_what_is_wrong_with_code_is_said(self, code, says):
        assert says in refused(ENCODING, code=code)


class TestUses:
    def test_a_probability_for_every_property_passes(self):
        assert parse(USED, used={"p0": 0, "p1": 0.25}).used == {"p0": 0.0, "p1": 0.25}

    @pytest.mark.parametrize(
        ("used", "says"),
        [
            ({"p0": 0.5}, "has nothing for 'p1': give a probability for every property"),
            ({"p0": 0.5, "p1": 0.5, "p9": 0.5}, "'p9' was not asked for: the properties are p0, p1"),
            ({"p0": 0.5, "p1": 1.5}, "must be probabilities between 0 and 1, got 1.5 for 'p1'"),
            ({"p0": True, "p1": 0.5}, "used"),
            ({"p0": "0.5", "p1": 0.5}, "used"),
            ([0.5, 0.5], "used"),
            (None, "used"),
        ],
    )
    def test_what_is_no_probability_for_each_is_refused(self, used, says):
        assert says in refused(USED, used=used)
