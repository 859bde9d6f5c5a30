import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scribe_suite.errors import ConfigurationError
from scribe_suite.measurements import store
from scribe_suite.measurements.store import MeasuredRecord, find_measured, packed, unpacked, write
from scribe_suite.models.spec import find
from scribe_suite.planting.frozen import Certificate, Check
from tests.measurements.counting import Counting

PASSED = Certificate(checks=(Check(name="a", value=1.0, bar=0.5, direction=">="),))


# on a busy machine the first texts take a second
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_texts_come_back_as_they_were(texts):
    back = unpacked(packed({"words": np.asarray(texts)}))["words"]
    assert back.tolist() == np.asarray(texts).tolist()


def test_numbers_keep_their_type_and_shape_and_bytes_are_reproducible():
    arrays = {
        "b": np.arange(6, dtype=np.float16).reshape(2, 3),
        "a": np.asarray(3.5),
        "flags": np.asarray([True, False]),
        "words": np.asarray([["x", "yy"], ["", "z"]]),
    }
    payload = packed(arrays)
    assert payload == packed(dict(reversed(arrays.items())))
    back = unpacked(payload)
    assert set(back) == set(arrays)
    for name, value in arrays.items():
        assert (back[name].shape, back[name].dtype.kind) == (value.shape, value.dtype.kind)
        assert (back[name] == value).all()


def written(measurement, spec, folder, payload=None, /, **changes):
    payload = packed({"value": np.arange(3.0)}) if payload is None else payload
    fields = {
        "measurement": measurement.id,
        "version": 1,
        "model": spec,
        "model_sha256": find(spec).identity,
        "inputs_sha256": measurement.inputs_sha256(),
        "sha256": store.hashlib.sha256(payload).hexdigest(),
        "certificate": PASSED,
        "made": {"cpu_s": {"one": 1.0}},
    }
    return write(folder, MeasuredRecord(**{**fields, **changes}), payload)


def test_a_result_is_found_in_the_cache(spec):
    measurement = Counting()
    written(measurement, spec, store.cached_folder(measurement))
    found = find_measured(measurement, spec)
    assert found.arrays["value"].tolist() == [0, 1, 2]
    assert not list(store.cached_folder(measurement).glob("*.part"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "is for version 2 of toys/counting"),
        ({"measurement": "toys/other"}, "is for version 1 of toys/other"),
        ({"model_sha256": "1" * 64}, "is for other weights"),
        ({"inputs_sha256": "1" * 64}, "is for other texts or lists"),
        ({"certificate": Certificate(checks=())}, "is for a certificate that fails (no checks)"),
        ({"sha256": "1" * 64}, "is not what"),
    ],
)
def test_what_can_not_be_trusted_is_named_with_the_command_that_mends_it(spec, changes, reason):
    measurement = Counting()
    written(measurement, spec, store.cached_folder(measurement), **changes)
    found = find_measured(measurement, spec)
    assert isinstance(found, str)
    assert reason in found
    assert found.endswith(f"run `scribe-suite measure toys/counting --model {spec}`.")


def test_a_record_that_was_changed_by_hand_is_noticed(spec):
    measurement = Counting()
    path = written(measurement, spec, store.cached_folder(measurement))
    record = json.loads(path.read_text())
    record["certificate"]["checks"][0]["value"] = 2.0
    path.write_text(json.dumps(record))
    assert "was changed after it was made" in find_measured(measurement, spec)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_files_that_can_not_be_read_are_named(spec, content):
    measurement = Counting()
    path = written(measurement, spec, store.cached_folder(measurement))
    path.with_suffix(".safetensors").write_bytes(content)
    assert f"{path.stem}.safetensors is not what {path.name} was written for" in find_measured(measurement, spec)
    path.write_bytes(content)
    assert "can't be read" in find_measured(measurement, spec)


def test_what_the_cache_has_comes_first_unless_it_is_stale(spec, monkeypatch, tmp_path):
    measurement = Counting()
    monkeypatch.setattr(store, "shipped_folder", lambda _measurement: tmp_path / "shipped")
    written(measurement, spec, tmp_path / "shipped", packed({"value": np.asarray([7.0])}))
    assert find_measured(measurement, spec).arrays["value"].tolist() == [7]
    written(measurement, spec, store.cached_folder(measurement))
    assert find_measured(measurement, spec).arrays["value"].tolist() == [0, 1, 2]
    written(measurement, spec, store.cached_folder(measurement), version=2)
    assert find_measured(measurement, spec).arrays["value"].tolist() == [7]


def test_without_the_model_the_sentence_is_about_the_model(spec):
    assert find_measured(Counting(), "planted:circuits/ioi/seed0").startswith("planted:circuits/ioi/seed0 is not ready")


def test_a_folder_that_can_not_be_written_is_one_sentence(spec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        written(Counting(), spec, tmp_path / "file" / "below")
