import pytest

from scribe_suite.cli import main
from scribe_suite.cli.seed_lists import seed_list, seed_text


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("4", [4]), ("0,2,7-8,2", [0, 2, 7, 8])])
def test_seeds_are_numbers_ranges_and_lists(text, seeds):
    assert seed_list(text) == seeds


def test_seeds_are_written_as_they_are_read():
    assert seed_text([7, 0, 1, 2, 9, 2]) == "0-2,7,9"


@pytest.mark.parametrize("text", ["x", "", "3-1", "-1", "1-"])
def test_other_text_is_no_seed_list(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["plant", "circuits/mlp_only", f"--seeds={text}"])
    assert caught.value.code == 2
    assert "--seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0-9999999", "'9999999' is too large: the largest seed is 999999."),
        ("9" * 10_000, f"'{'9' * 57}...' is too large: the largest seed is 999999."),
        ("0,,", "'0,,' has a comma without a seed on both sides: remove it."),
        ("", "no seed is given: write a seed or a range such as 0-5."),
        ("x" * 10_000, f"'{'x' * 57}...' is not a seed or a range such as 0-5."),
    ],
    ids=["too large", "far too large", "a comma too many", "nothing", "long"],
)
def test_what_is_wrong_with_a_seed_list_is_said(text, sentence, capsys):
    with pytest.raises(SystemExit):
        main(["plant", "circuits/mlp_only", f"--seeds={text}"])
    assert capsys.readouterr().err.endswith(f"argument --seeds: {sentence}\n")
