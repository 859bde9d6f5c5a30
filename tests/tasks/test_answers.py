"""Every answer that can't be scored gets one sentence that names the thing and says what to do."""

from __future__ import annotations

import json

import pytest

from scribe_suite.errors import AnswerError
from scribe_suite.tasks.answers import (
    MAX_ANSWER_BYTES,
    AnswerOrNothing,
    AnswerSchema,
    BehaviourAnswer,
    ComponentAnswer,
    DirectionAnswer,
    LetterAnswer,
    NeuronAnswer,
    ProbeAnswer,
    RankingAnswer,
    RoleAnswer,
    TextProbeAnswer,
    TextProbeOrNothing,
)

COMMON = {"confidence": 0.5, "summary": "why"}
CIRCUIT = AnswerSchema(
    ComponentAnswer,
    {"components": ["a0.h0", "a0.h1", "m0"]},
    {"components": ["a0.h0"], **COMMON},
)
ROLES = AnswerSchema(RoleAnswer, CIRCUIT.facts, {"roles": {"a0.h0": "supports", "m0": "suppresses"}, **COMMON})
RANKING = AnswerSchema(RankingAnswer, CIRCUIT.facts, {"ranking": ["m0", "a0.h1"], **COMMON})
PREDICT = "def predict(prompts):\n    return [prompt[0] for prompt in prompts]\n"
BEHAVIOUR = AnswerSchema(
    BehaviourAnswer, CIRCUIT.facts, {"code": PREDICT, "components": ["a0.h0"], "confidence": 0.5, "summary": "why"}
)
NEURONS = AnswerSchema(NeuronAnswer, {"n_layers": 2, "d_mlp": 16}, {"neurons": ["L0.N3"], **COMMON})
LETTERS = AnswerSchema(
    LetterAnswer,
    {**NEURONS.facts, "letters": ["k", "s", "t"]},
    {"neurons": {"k": "L0.N3", "s": None, "t": None}, **COMMON},
)
PROBE = AnswerSchema(ProbeAnswer, {"n_layers": 3, "n_ctx": 9, "d_model": 4}, {"weight": [0.0, 1.0, 0.0, 0.0], **COMMON})
TEXT_PROBE = AnswerSchema(TextProbeAnswer, PROBE.facts, PROBE.example)
TEXT_PROBE_OR_NOTHING = AnswerSchema(TextProbeOrNothing, PROBE.facts, PROBE.example)
DIRECTION = AnswerSchema(DirectionAnswer, PROBE.facts, {"direction": [0.0, 1.0, 0.0, 0.0], **COMMON})


class LettersOrNothing(LetterAnswer, AnswerOrNothing):
    """A kind of answer for a task that has null instances and letters."""


class BehaviourOrNothing(BehaviourAnswer, AnswerOrNothing):
    """The same with a function."""


LETTERS_OR_NOTHING = AnswerSchema(LettersOrNothing, LETTERS.facts, LETTERS.example)
BEHAVIOUR_OR_NOTHING = AnswerSchema(BehaviourOrNothing, BEHAVIOUR.facts, BEHAVIOUR.example)
#: A kind of answer, its content, and no content.
WITHOUT_NULLS = [
    pytest.param(CIRCUIT, {"components": ["m0"]}, {"components": []}, id="components"),
    pytest.param(ROLES, {"roles": {"m0": "supports"}}, {"roles": {}}, id="roles"),
    pytest.param(RANKING, {"ranking": ["m0"]}, {"ranking": []}, id="ranking"),
    pytest.param(NEURONS, {"neurons": ["L0.N3"]}, {"neurons": []}, id="neurons"),
    pytest.param(LETTERS, {"neurons": LETTERS.example["neurons"]}, {"neurons": {}}, id="letters"),
    pytest.param(PROBE, {"weight": [1.0] * 4}, {"weight": []}, id="probe"),
    pytest.param(TEXT_PROBE, {"weight": [1.0] * 4}, {"weight": []}, id="text probe"),
    pytest.param(DIRECTION, {"direction": [1.0] * 4}, {"direction": []}, id="direction"),
    pytest.param(BEHAVIOUR, {"code": PREDICT, "components": ["m0"]}, {"code": " \n", "components": []}, id="behaviour"),
]
WITH_NULLS = [
    pytest.param(TEXT_PROBE_OR_NOTHING, {"weight": [1.0] * 4}, {"weight": []}, "'weight' is", id="text probe"),
    pytest.param(LETTERS_OR_NOTHING, LETTERS.example, {"neurons": dict.fromkeys("kst")}, "'neurons' is", id="letters"),
    pytest.param(
        BEHAVIOUR_OR_NOTHING,
        {"code": "", "components": ["m0"]},
        {"code": "", "components": []},
        "'code' and 'components' are",
        id="behaviour",
    ),
]


def parse(schema, **fields):
    return schema.parse(json.dumps({**COMMON, **fields}))


def refusal(schema, raw):
    with pytest.raises(AnswerError) as caught:
        schema.parse(raw)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 2_000
    return message


def refused(schema, **fields):
    return refusal(schema, json.dumps({**COMMON, **fields}))


class TestText:
    def test_text_and_bytes_are_read_alike(self):
        text = json.dumps(dict(CIRCUIT.example))
        assert CIRCUIT.parse(text) == CIRCUIT.parse(text.encode())

    @pytest.mark.parametrize(
        "raw",
        ["", "{", "answer", "{'a': 1}", b"\xff\xfe\x00", "\ud800", "[" * 100_000, "{} {}"],
        ids=["empty", "unclosed", "word", "python dict", "not utf-8", "surrogate", "deep", "two objects"],
    )
    def test_what_is_not_json_is_named_and_the_way_out_said(self, raw):
        message = refusal(CIRCUIT, raw)
        assert message.startswith("The answer is not JSON (")
        assert "submit a JSON object" in message

    @pytest.mark.parametrize(("raw", "kind"), [("[1]", "list"), ("3", "int"), ("null", "NoneType"), ('"x"', "str")])
    def test_json_that_is_no_object_is_answered_with_an_example(self, raw, kind):
        message = refusal(CIRCUIT, raw)
        assert f"is a JSON {kind}, not an object" in message
        assert "a0.h0" in message

    @pytest.mark.parametrize("size", [MAX_ANSWER_BYTES + 1, 50_000_000])
    def test_a_huge_answer_is_refused_unread_with_its_size(self, size):
        message = refusal(PROBE, b"[" * size)
        assert f"{size:,} bytes" in message
        assert f"{MAX_ANSWER_BYTES:,}" in message

    def test_an_answer_of_exactly_the_largest_size_is_read(self):
        text = json.dumps(dict(CIRCUIT.example))
        assert CIRCUIT.parse(text + " " * (MAX_ANSWER_BYTES - len(text))).components == ["a0.h0"]

    def test_size_is_counted_in_bytes_not_characters(self):
        assert "bytes" in refusal(CIRCUIT, "\u00e9" * (MAX_ANSWER_BYTES // 2 + 1))

    def test_an_absurdly_long_integer_is_refused(self):
        assert "not JSON" in refusal(PROBE, '{"bias": ' + "9" * 10_000 + "}")


class TestCommonFields:
    @pytest.mark.parametrize("missing", ["confidence", "summary", "components"])
    def test_a_missing_field_is_named(self, missing):
        fields = {key: value for key, value in CIRCUIT.example.items() if key != missing}
        message = refusal(CIRCUIT, json.dumps(fields))
        assert message.startswith("The answer does not fit the schema: ")
        assert f"{missing}: Field required" in message

    def test_an_unknown_field_is_named(self):
        assert "accuracy: Extra inputs are not permitted" in refused(CIRCUIT, components=["m0"], accuracy=1.0)

    @pytest.mark.parametrize("confidence", [-0.1, 1.1, "very", None, float("nan"), float("inf")])
    def test_confidence_is_a_probability(self, confidence):
        assert "confidence: " in refused(CIRCUIT, components=["m0"], confidence=confidence)

    def test_a_very_long_summary_is_refused(self):
        assert "summary: " in refused(CIRCUIT, components=["m0"], summary="x" * 20_001)

    def test_only_the_first_errors_are_listed_and_the_rest_counted(self):
        message = refused(PROBE, weight=["x", "y", "z", "w"])
        assert message.count("weight.") == 3
        assert "(and 1 more)" in message

    @pytest.mark.parametrize(
        ("schema", "fields"),
        [
            (CIRCUIT, {"components": ["x" * 15_000]}),
            (ROLES, {"roles": {"x" * 15_000: "supports"}}),
            (ROLES, {"roles": {"x" * 15_000: "nothing"}}),
            (CIRCUIT, {"components": ["m0"], "x" * 15_000: 1}),
        ],
        ids=["component", "component with a role", "component with a wrong role", "field"],
    )
    def test_names_of_the_answer_do_not_come_back_at_length(self, schema, fields):
        message = refused(schema, **fields)
        assert "x" * 50 + "xxxxxxx..." in message
        assert "x" * 60 not in message


class TestNothingFound:
    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_where_something_is_always_there_it_is_refused_in_one_sentence(self, schema, content, nothing):
        for fields in (content, nothing):
            message = refused(schema, **fields, nothing_found=True)
            assert "in this task there is always something to find, so leave 'nothing_found' out" in message

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_where_something_is_always_there_the_field_is_unknown_to_the_schema(self, schema, content, nothing):
        assert not schema.has_nulls
        assert "nothing_found" not in schema.model.model_json_schema()["properties"]
        assert parse(schema, **content).says_nothing_found() is None

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_a_recorded_answer_of_old_that_says_false_is_still_read(self, schema, content, nothing):
        assert parse(schema, **content, nothing_found=False) == parse(schema, **content)

    @pytest.mark.parametrize("value", [0, None, "false", [], 1])
    def test_only_false_is_overlooked(self, value):
        assert "leave 'nothing_found' out" in refused(CIRCUIT, components=["m0"], nothing_found=value)

    @pytest.mark.parametrize(("schema", "content", "nothing"), WITHOUT_NULLS)
    def test_an_answer_without_content_is_valid_where_something_is_always_there(self, schema, content, nothing):
        assert parse(schema, **nothing).is_empty()
        assert not parse(schema, **content).is_empty()

    @pytest.mark.parametrize(("schema", "content", "nothing", "names"), WITH_NULLS)
    def test_with_null_instances_no_content_is_an_answer_only_with_nothing_found(self, schema, content, nothing, names):
        assert schema.has_nulls
        assert f"{names} empty; if that is your finding, set 'nothing_found' to true" in refused(schema, **nothing)
        answer = parse(schema, **nothing, nothing_found=True)
        assert answer.is_empty()
        assert answer.says_nothing_found() is True

    @pytest.mark.parametrize(("schema", "content", "nothing", "names"), WITH_NULLS)
    def test_with_null_instances_content_contradicts_nothing_found(self, schema, content, nothing, names):
        fields = {**COMMON, **content}
        expected = names.rpartition(" ")[0]
        message = refusal(schema, json.dumps({**fields, "nothing_found": True}))
        assert f"'nothing_found' is true, so {expected} must be empty" in message
        assert schema.parse(json.dumps({**fields, "nothing_found": False})).says_nothing_found() is False
        assert schema.parse(json.dumps(fields)).says_nothing_found() is False


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
        assert "ranking: 'm0' stands more than once" in refused(RANKING, ranking=["m0", "a0.h0", "m0"])

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
