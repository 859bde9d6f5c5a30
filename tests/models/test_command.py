"""``scribe-suite models``."""

from __future__ import annotations

import pytest

from scribe_suite.cli import main


def test_list_says_what_is_ready_and_how_to_get_the_rest(llama_folder, capsys):
    assert main(["models", "list"]) == 0
    before = capsys.readouterr().out
    assert "is not ready: run `make real-models`" in before
    assert main(["models", "convert", f"path:{llama_folder}"]) == 0
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    after = capsys.readouterr().out
    assert f"path:{llama_folder}" in after
    assert "ready" in after.partition(f"path:{llama_folder}")[2].splitlines()[0]
    for kind in ("package:", "hub:", "path:", "planted:"):
        assert kind in after


def test_convert_reports_its_steps_and_leaves_what_is_ready(llama_folder, capsys):
    spec = f"path:{llama_folder}"
    assert main(["models", "convert", spec]) == 0
    output = capsys.readouterr()
    assert "largest |Δ log p|" in output.out
    assert "70% comparing log-probabilities" in output.err
    assert main(["models", "convert", spec]) == 0
    assert capsys.readouterr().err == ""
    assert main(["models", "convert", "--force", spec]) == 0
    assert "reading the original" in capsys.readouterr().err


def test_verify_says_what_holds_and_what_does_not(llama_folder, capsys, cache):
    spec = f"path:{llama_folder}"
    assert main(["models", "verify", spec]) == 2
    assert f"{spec} is not ready: run `scribe-suite models convert {spec}`." in capsys.readouterr().err
    main(["models", "convert", spec])
    capsys.readouterr()
    assert main(["models", "verify", spec]) == 0
    assert "checksums hold" in capsys.readouterr().out
    (weights,) = cache.glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert main(["models", "verify", spec]) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["models"], ["models", "convert", "nothing"]])
def test_what_cannot_be_done_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert "scribe-suite" in output.out + output.err
