import json
from pathlib import Path

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.report.folders import MARKER
from scribe_suite.report.pages import POLICY
from scribe_suite.report.site import write_report
from tests.report.pages import broken_links, dangers, parsed
from tests.report.synthetic import ANSWER, attempt, plain_notebook, usual_attempts, write_attempt, write_run


def written(ledger, output, *, with_keys=False):
    told = []
    write_report(ledger, output, with_keys=with_keys, progress=lambda *news: told.append(news))
    return told


def pages_of(site):
    return [parsed(path) for path in sorted(site.rglob("*.html")) if "raw" not in path.relative_to(site).parts]


def test_there_is_a_page_for_the_run_each_task_and_each_attempt(site):
    names = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    assert "index.html" in names
    assert len([name for name in names if name.startswith("tasks/")]) == 3
    assert len([name for name in names if name.startswith("attempts/")]) == 18 + 5
    assert json.loads((site / MARKER).read_text())["run"] == "r1"


def test_nothing_on_any_page_can_run_or_load_anything(site):
    found = {page.path.name: found for page in pages_of(site) if (found := dangers(page))}
    # the page of all attempts, whose one script its policy names
    assert {name: set(dangerous) for name, dangerous in found.items()} == {
        "attempts.html": {
            f"element {tag}" for tag in ("script", "noscript", "label", "input", "select", "option", "button")
        }
    }


def test_every_page_forbids_scripts_and_requests_by_its_policy(site):
    for page in pages_of(site):
        policies = [meta for meta in page.named("meta") if "http-equiv" in meta]
        (policy,) = (meta["content"] for meta in policies)
        assert (
            policy == POLICY
            if page.path.name != "attempts.html"
            else policy.startswith(f"{POLICY}; script-src 'sha256-")
        )
    assert POLICY.startswith("default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline' 'self'")


def test_pages_are_valid_html_to_a_strict_parser(site):
    assert {page.path.name: page.errors for page in pages_of(site) if page.errors} == {}


def test_all_links_lead_to_files_and_places_that_exist(site):
    assert {page.path.name: found for page in pages_of(site) if (found := broken_links(page))} == {}


def test_pages_are_made_for_phones_keyboards_and_screen_readers(site):
    for page in pages_of(site):
        assert page.named("html") == [{"lang": "en"}]
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named("meta")
        assert page.named("a")[0] == {"class": "skip", "href": "#main"}
        assert len(page.named("h1")) == len(page.named("main")) == 1
        assert all("alt" in image for image in page.named("img"))
        assert all(region["aria-label"] for _, region in page.elements if region.get("role") == "region")
        assert len(page.ids()) == len(set(page.ids()))
        plots = [svg for svg in page.named("svg") if svg.get("role") == "img"]
        assert all(set(svg["aria-labelledby"].split()) <= set(page.ids()) for svg in plots)
    titles = [page.path.read_text().split("<title>")[1].split("</title>")[0] for page in pages_of(site)]
    assert len(titles) == len(set(titles))


def test_the_overview_tells_skill_coverage_and_what_failed(site):
    text = (site / "index.html").read_text()
    assert "scored 22/24" in text
    assert "1 failed by infrastructure, 1 not run" in text
    assert "infrastructure:kernel_start" in text
    assert "[toy-codex-t9]" in text
    shown = [svg["aria-labelledby"].split()[0] for svg in parsed(site / "index.html").named("svg")]
    names = {name.replace("-wide-", "-") for name in shown}
    assert {name for name in shown if "-wide-" in name} == {
        f"{plot}-wide-title" for plot in ("skill-circuits", "skill-probes", "time", "tokens")
    }
    plots = (
        "skill-circuits", "skill-probes", "anytime-seconds", "anytime-tokens", "cost", "time", "tokens", "reliability",
        "risk-coverage",
    )  # fmt: skip
    assert names == {f"{plot}-title" for plot in plots}


def test_the_text_of_plots_is_text(site):
    assert ">ioi_long_name</text>" in (site / "index.html").read_text()


def test_the_page_of_a_task_has_its_prompts_and_all_attempts(site):
    text = (site / "tasks" / "circuits-toy.html").read_text()
    assert "Instance 0 of circuits/toy" in text
    assert "Instance 1 of circuits/toy" in text
    assert text.count('href="../attempts/') == 6 + 5


def test_the_page_of_an_attempt_has_answer_notebook_transcript_journal_and_files(site):
    text = (site / "attempts" / "circuits-toy-claude-opus-9-t0.html").read_text()
    for part in ("a10.h0", "I patched.", "Which heads?", "I look at the heads first.", "print(1)", "session_started",
                 "n.journal.jsonl", "run 2 times", "timeout"):  # fmt: skip
        assert part in text
    assert (site / "raw" / "circuits-toy-claude-opus-9-t0" / "notebooks" / "n.ipynb").is_file()


def test_fresh_instances_keep_seeds_base_models_and_the_oracles_answer(site):
    for path in site.rglob("*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            assert "987654321" not in text
            assert "1122334455" not in text
            assert "toy/seed3" not in text
    oracle = (site / "attempts" / "circuits-toy-oracle-t0.html").read_text()
    assert "--with-keys" in oracle
    assert "a10.h0" not in oracle
    assert not (site / "raw" / "circuits-toy-oracle-t0").exists()


def test_missing_and_broken_files_are_told_and_not_fatal(site):
    assert "can&#39;t be shown" in (site / "attempts" / "circuits-toy-gemini-t0.html").read_text()
    assert "from its journal" in (site / "attempts" / "circuits-toy-gemini-t1.html").read_text()
    for name in ("circuits-toy-gemini-t2", "circuits-toy-gemini-t3"):
        assert "not where the ledger says" in (site / "attempts" / f"{name}.html").read_text()
    assert not any("secret" in path.name for path in site.rglob("*"))


def test_raw_files_that_a_browser_would_run_are_copied_as_text(site):
    folder = site / "raw" / "circuits-toy-claude-b-t0" / "outputs"
    assert {path.name for path in folder.iterdir()} == {
        "answer.json", "prompt.md.txt", "transcript.json", "x.html.txt", "x.svg.txt", "log.jsonl.txt", "no_ending.txt",
        'a"b.txt',
    }  # fmt: skip


def test_the_canary_is_on_the_pages_only_as_text(site):
    text = (site / "attempts" / "circuits-toy-claude-b-t0.html").read_text()
    assert "&lt;script&gt;" in text
    assert "<script" not in text.lower()


def test_a_run_of_fixed_seeds_tells_keys_and_seeds(tmp_path, toy_registry):
    write_attempt(tmp_path, "a", answer=ANSWER, content=plain_notebook())
    ledger = write_run(tmp_path, seed_mode="fixed", records=[attempt(folder="a"), attempt(provider="oracle")])
    written(ledger, tmp_path / "report")
    text = (tmp_path / "report" / "attempts" / "circuits-toy-claude-t0.html").read_text()
    assert "987654321" in text
    assert "m7" in text
    assert "1122334455" in (tmp_path / "report" / "index.html").read_text()


def test_with_keys_tells_them_of_fresh_instances_too(tmp_path, toy_registry):
    write_attempt(tmp_path, "a", answer=ANSWER)
    ledger = write_run(tmp_path, records=[attempt(folder="a")])
    written(ledger, tmp_path / "report", with_keys=True)
    assert "m7" in (tmp_path / "report" / "attempts" / "circuits-toy-claude-t0.html").read_text()


def test_progress_goes_from_nothing_to_all_pages(tmp_path):
    told = written(write_run(tmp_path, records=usual_attempts(tmp_path)[:4]), tmp_path / "report")
    assert [done for done, _, _ in told] == list(range(8))
    assert {total for _, total, _ in told} == {7}


def test_a_run_that_was_cut_off_before_its_first_attempt_has_a_report(tmp_path):
    ledger = write_run(tmp_path, records=[], planned=("a",), end=False)
    written(ledger, tmp_path / "report")
    page = parsed(tmp_path / "report" / "index.html")
    assert page.errors == []
    assert "cut off" in page.path.read_text()


def test_an_attempt_that_was_made_again_counts_once(tmp_path):
    lost = attempt(outcome="infrastructure:kernel_start", metrics={}, skill=None)
    ledger = write_run(tmp_path, records=[lost, attempt()])
    written(ledger, tmp_path / "report")
    assert "scored 1/1" in (tmp_path / "report" / "index.html").read_text()
    assert "(made again)" in (tmp_path / "report" / "tasks" / "circuits-toy.html").read_text()


def test_a_report_is_the_same_every_time(tmp_path):
    ledger = write_run(tmp_path, records=usual_attempts(tmp_path)[:4])
    for name in ("one", "two"):
        written(ledger, tmp_path / name)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)


def test_an_error_leaves_the_old_report_and_nothing_else(tmp_path, monkeypatch):
    ledger = write_run(tmp_path / "runs", records=[])
    written(ledger, tmp_path / "report")
    before = (tmp_path / "report" / "index.html").read_bytes()

    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scribe_suite.report.site._write_pages", fails)
    with pytest.raises(KeyboardInterrupt):
        written(ledger, tmp_path / "report")
    assert (tmp_path / "report" / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "runs"]


def test_a_ledger_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        written(Path(tmp_path / "none.jsonl"), tmp_path / "report")
    assert not (tmp_path / "report").exists()
