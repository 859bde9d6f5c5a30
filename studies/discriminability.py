"""Does a metric separate good answers from bad ones? Three views of every metric of every task.

    python -m studies.discriminability                            # planted tasks, two fresh instances each; prints
    python -m studies.discriminability --tasks circuits/ioi       # some tasks, or some levels: circuits/mechanism_2
    python -m studies.discriminability --write                    # into the record and the document
    python -m studies.discriminability --real --write             # tasks on a real model, which has to be converted
    python -m studies.discriminability --tables                   # measure nothing, write the document again

What is measured, and the criteria, are in `studies.lenses`; the answers in `studies.graded`. Tasks that are not
measured keep what the record says of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score
from scribe_suite.text import with_table
from studies.graded.makers import material_of, scored
from studies.graded.material import Content, GradedContent
from studies.instances import instance_options, measured_instances
from studies.lenses import Graded, Seen, look
from studies.lenses_record import DOCUMENT, MARKERS, RECORD, TaskRecord, chapter, chapters, read_record, write_record

FIRST_SEED = 7000
#: Number of hidden samples on which an answer is scored again.
SAMPLES = 3
#: Number of instances searched for a readable question, and for one that is not readable.
_LOOKED_THROUGH = 30


def measure_instance(task_id: str, seed: int) -> Seen:
    """The scores of all material of one instance; deterministic for a seed."""
    material = material_of(default_registry()[task_id].instance(seed))
    known: dict[str, dict[str, float]] = {}

    def metrics(content: Content) -> dict[str, float]:
        text = json.dumps(content)
        if text not in known:
            known[text] = all_metrics(scored(material.instance, content))
        return known[text]

    samples: list[list[dict[str, float]]] = []
    if material.resampled is not None:
        others = [material.resampled(number) for number in range(SAMPLES)]
        samples = [[all_metrics(scored(other, content)) for other in others] for content in middling(material.graded)]
    return Seen(
        graded=[Graded(one.path, one.wrongness, metrics(one.content)) for one in material.graded],
        samples=samples,
        methods={name: [metrics(one) for one in own] for name, own in _first_given(material.methods).items()},
    )


def all_metrics(score: Score) -> dict[str, float]:
    """The metrics of a score, the skill among them."""
    return {**score.metrics, "skill": score.skill}


def middling(graded: Sequence[GradedContent]) -> list[Content]:
    """For each way to be wrong, an answer of medium wrongness: the least and the most wrong ones hardly vary."""
    paths: dict[str, list[GradedContent]] = {}
    for one in graded:
        paths.setdefault(one.path, []).append(one)
    ranked = [sorted(answers, key=lambda one: one.wrongness) for answers in paths.values()]
    return [answers[len(answers) // 2].content for answers in ranked]


def _first_given(methods: Mapping[str, Sequence[Content]]) -> dict[str, list[Content]]:
    """The answers of every method, without those that a better method also gives."""
    given: set[str] = set()
    first: dict[str, list[Content]] = {}
    for name, contents in methods.items():
        first[name] = [content for content in contents if json.dumps(content) not in given]
        given |= {json.dumps(content) for content in contents}
    return first


def seeds_of(task_id: str, instances: int) -> list[int]:
    """Seeds of some instances; where questions may have no answer, also one such instance if it is found soon."""
    seeds = range(FIRST_SEED, FIRST_SEED + _LOOKED_THROUGH)
    if "overclaim" not in default_registry().facts[task_id].metrics:
        return list(seeds[:instances])
    task: Any = default_registry()[task_id]
    readable = {seed: task.instance(seed).hidden.measured.readable for seed in seeds}
    return [
        *islice((seed for seed in seeds if readable[seed]), instances),
        *islice((seed for seed in seeds if not readable[seed]), 1),
    ]


def measure(tasks: Sequence[str], instances: int, *, jobs: int) -> Iterator[tuple[str, TaskRecord]]:
    """All metrics of some tasks, in processes of one thread each; a task is yielded as soon as it is measured."""
    seeds = {task_id: seeds_of(task_id, instances) for task_id in tasks}
    for task_id, seen in measured_instances(measure_instance, seeds, jobs):
        yield task_id, record_of(task_id, seen)


def record_of(task_id: str, seen: Sequence[Seen]) -> TaskRecord:
    """The record of a task's measurements."""
    facts = default_registry().facts[task_id]
    metrics = {metric: look(metric, seen).rounded() for metric in (*facts.metrics, "skill")}
    return TaskRecord(facts.version, len(seen), metrics)


def main() -> None:
    """Measure and print."""
    parser = instance_options(__doc__, "all planted ones", 2)
    parser.add_argument("--real", action="store_true", help="the tasks on a real model instead of the planted ones")
    parser.add_argument("--write", action="store_true", help=f"put the results into {RECORD} and {DOCUMENT}")
    parser.add_argument("--tables", action="store_true", help=f"measure nothing; write {DOCUMENT} from the record")
    options = parser.parse_args()
    source = "real" if options.real else "planted"
    of_source = [one.id for one in default_registry().questions() if one.source == source]
    tasks = [] if options.tables else options.tasks or of_source
    root, questions = suite_root(), [facts.id for facts in default_registry().questions()]
    for task_id, record in measure(tasks, options.instances, jobs=options.jobs):
        print(f"{chapter(task_id, record)}\n", flush=True)
        if options.write:  # after every task, so that an interrupted run keeps its results
            kept = {known: one for known, one in read_record(root).items() if known in default_registry().facts}
            write_record(root, dict(sorted((kept | {task_id: record}).items())))
    if options.write or options.tables:
        page = root / DOCUMENT
        page.write_text(with_table(page.read_text(), MARKERS, chapters(read_record(root), questions)))


if __name__ == "__main__":
    main()
