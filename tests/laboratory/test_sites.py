"""Names of sites: one spelling each, and none that a model does not have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.sites import (
    FORMS,
    Site,
    SiteError,
    check_path,
    check_site,
    parse_receiver,
    parse_site,
    value_shape,
    width,
)

SHAPE = ModelShape(
    n_layers=3, n_heads=4, n_key_value_heads=2, d_model=12, d_head=5, d_mlp=16, d_vocab=11, d_vocab_out=7, n_ctx=6
)
WITHOUT_MLPS = SHAPE.model_copy(update={"d_mlp": 0})
NAMES = {
    "embed": Site("embed"),
    "resid_pre.0": Site("resid_pre", 0),
    "resid_mid.1@3": Site("resid_mid", 1, position=3),
    "resid_post.2@-1": Site("resid_post", 2, position=-1),
    "a1.h0": Site("head", 1, 0),
    "a2.h3@0": Site("head", 2, 3, 0),
    "m0": Site("mlp", 0),
    "q.0.3": Site("q", 0, 3),
    "k.1.1": Site("k", 1, 1),
    "v.2.0@-6": Site("v", 2, 0, -6),
    "z.0.2": Site("z", 0, 2),
    "neurons.1": Site("neurons", 1),
    "L2.N15": Site("neuron", 2, 15),
    "pattern.0.1@2": Site("pattern", 0, 1, 2),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_site_and_back(name):
    site = parse_site(name)
    assert site == NAMES[name]
    assert str(site) == name
    check_site(site, SHAPE, 6)


def test_every_kind_has_a_name_here():
    assert {site.kind for site in NAMES.values()} == set(FORMS)


@pytest.mark.parametrize(
    "text",
    ["", "x", "a1.h00", "a01.h0", "m1@-0", "m1@", "m1@1.0", "m1@1@2", "logits", "resid_pre", "resid_pre.1.1", "q.1",
     "L1N2", "embed.0", " m1", "m1 ", "m٣", "m1\n", "m9999999", "a-1.h0", "A1.h0", "neurons.1.2"],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_one_sentence(text):
    with pytest.raises(SiteError, match="is not a site") as caught:
        parse_site(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("thing", [None, 3, b"m1", ["m1"], {"site": "m1"}])
def test_what_is_no_text_is_refused(thing):
    with pytest.raises(SiteError, match="A site is a string"):
        parse_site(thing)


def test_a_long_text_is_shortened_in_its_refusal():
    with pytest.raises(SiteError) as caught:
        parse_site("x" * 100_000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("m3", "no block 3"),
        ("a0.h4", "no head 4"),
        ("k.0.2", "no key-value head 2"),
        ("v.0.3", "no key-value head 3"),
        ("L0.N16", "no neuron 16"),
        ("m0@6", "6 positions"),
        ("embed@-7", "6 positions"),
    ],
)
def test_what_a_model_does_not_have_is_refused(name, reason):
    with pytest.raises(SiteError, match=reason):
        check_site(parse_site(name), SHAPE, 6)


@pytest.mark.parametrize("name", ["m0", "neurons.0", "L0.N0", "resid_mid.0"])
def test_a_model_without_mlps_has_none_of_their_sites(name):
    with pytest.raises(SiteError, match="no MLPs"):
        check_site(parse_site(name), WITHOUT_MLPS)
    check_site(parse_site(name), SHAPE)


@pytest.mark.parametrize("text", ["resid_pre.1", "a1.h0", "m1@2", "z.1.0", "x"])
def test_only_what_reads_the_residual_stream_is_a_receiver(text):
    with pytest.raises(SiteError):
        parse_receiver(text)


@pytest.mark.parametrize(
    ("sender", "receiver", "reads"),
    [
        ("embed", "q.0.0", True),
        ("embed", "logits", True),
        ("a0.h1", "m0", True),
        ("a0.h1", "v.1.1", True),
        ("a0.h1", "q.0.2", False),
        ("a0.h1", "k.0.0", False),
        ("m0", "m0", False),
        ("L0.N3", "m0", False),
        ("L0.N3", "m1", True),
        ("m1", "q.1.0", False),
        ("m1", "logits", True),
        ("m2", "m1", False),
        ("resid_pre.0", "m1", False),
        ("q.0.0", "m1", False),
    ],
)
def test_a_receiver_reads_what_was_written_before(sender, receiver, reads):
    if reads:
        check_path(parse_site(sender), parse_receiver(receiver))
        return
    with pytest.raises(SiteError):
        check_path(parse_site(sender), parse_receiver(receiver))


def test_the_order_is_that_of_the_computation():
    names = ["embed", "resid_pre.0", "q.0.1", "pattern.0.0", "z.0.0", "a0.h0", "resid_mid.0", "neurons.0", "m0",
             "resid_post.0", "resid_pre.1", "m1"]  # fmt: skip
    orders = [parse_site(name).order for name in names]
    assert orders == sorted(set(orders))
    assert orders[-1] < parse_receiver("logits").order


@pytest.mark.parametrize(
    ("name", "shape", "of_a_patch"),
    [
        ("embed", (2, 6, 12), 12),
        ("a1.h0@-1", (2, 12), 12),
        ("z.0.0", (2, 6, 5), 5),
        ("neurons.0", (2, 6, 16), 16),
        ("L0.N3", (2, 6), 1),
        ("L0.N3@1", (2,), 1),
        ("pattern.0.1", (2, 6, 6), None),
        ("pattern.0.1@2", (2, 6), None),
    ],
)
def test_values_have_a_shape(name, shape, of_a_patch):
    site = parse_site(name)
    assert value_shape(site, SHAPE, 2, 6) == shape
    if of_a_patch is None:
        with pytest.raises(SiteError, match="read only"):
            width(site, SHAPE)
    else:
        assert width(site, SHAPE) == of_a_patch


def test_the_shape_of_a_model_is_checked():
    sizes = {**SHAPE.model_dump(exclude={"unit"})}
    assert ModelShape.of_sizes(sizes, "prompt") == SHAPE
    with pytest.raises(ValueError, match="n_layers"):
        ModelShape.of_sizes({**sizes, "n_layers": 0}, "prompt")
    with pytest.raises(ValueError, match="more"):
        ModelShape.of_sizes({**sizes, "more": 1}, "token")
    check_site(parse_site("m0"), SimpleNamespace(**sizes))
