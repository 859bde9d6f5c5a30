from __future__ import annotations

import json

from scribe_suite.laboratory.budget import Balance
from scribe_suite.laboratory.hello import hello, site_names
from scribe_suite.laboratory.sites import check_site, parse_site
from scribe_suite.laboratory.terms import OUTPUTS_ONLY, Terms

from .fakes import LANGUAGE, PLANTED


def test_every_site_that_is_named_is_one_of_the_model():
    for shape in (PLANTED, LANGUAGE, PLANTED.model_copy(update={"d_mlp": 0})):
        names = site_names(shape, Terms(budget=1))
        assert len(set(names)) == len(names)
        for name in names:
            check_site(parse_site(name), shape)


def test_the_sites_of_a_small_model():
    names = site_names(PLANTED, Terms(budget=1))
    assert names[:6] == ["embed", "resid_pre.0", "q.0.0", "q.0.1", "q.0.2", "k.0.0"]
    assert {"pattern.1.2", "a1.h2", "m1", "neurons.0", "resid_post.1"} <= set(names)
    assert len(names) == 1 + 2 * (3 + 6 * 3 + 2)
    assert len([name for name in site_names(LANGUAGE, Terms(budget=1)) if name.startswith("v.")]) == 2 * 2


def test_sites_that_the_terms_give_no_use_for_are_not_named():
    assert site_names(PLANTED, Terms(budget=1, operations=OUTPUTS_ONLY)) == []
    patterns = site_names(PLANTED, Terms(budget=1, operations=frozenset({"pattern"})))
    assert patterns == [f"pattern.{layer}.{head}" for layer in range(2) for head in range(3)]
    assert not any(
        name.startswith("m") for name in site_names(PLANTED.model_copy(update={"d_mlp": 0}), Terms(budget=1))
    )


def test_the_first_answer_is_json_and_has_everything():
    told = hello(PLANTED, Terms(budget=9), Balance(9, 2))
    assert json.loads(json.dumps(told)) == told
    assert told["budget"] == {"spent": 2, "left": 7, "total": 9, "unit": "prompt"}
    assert told["shape"]["d_vocab_out"] == 5
    assert told["terms"]["budget"] == 9
    assert told["prices"][0] == {"what": "a run", "per unit": 1}
