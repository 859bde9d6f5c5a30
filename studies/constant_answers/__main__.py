"""See the package."""

from __future__ import annotations

import argparse

import torch
from rich.progress import track

from scribe_suite.tasks.registry import default_registry
from studies.constant_answers.record import as_table, write_record
from studies.constant_answers.survey import survey

_INSTANCES = 200


def main() -> None:
    """Survey some tasks, show the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", help="ids; by default all of a source")
    parser.add_argument("--source", choices=("planted", "real"), default="planted")
    parser.add_argument("--instances", type=int, default=_INSTANCES)
    parser.add_argument("--write", action="store_true", help="into the record and the document")
    options = parser.parse_args()
    torch.set_num_threads(1)
    registry = default_registry()
    tasks = [registry[name] for name in options.tasks] if options.tasks else registry.of_source(options.source)
    found = {}
    for task in track(tasks, "Surveying"):
        found[task.id] = survey(task, options.instances)
        print(as_table({task.id: found[task.id]}).splitlines()[-1], flush=True)
        if options.write:
            write_record({task.id: found[task.id]})


if __name__ == "__main__":
    main()
