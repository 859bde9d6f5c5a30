"""What tasks say of their headroom, against what docs/headroom.md says was measured."""

import re
import statistics
from collections import defaultdict

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry

#: From this mean skill on, an agent solves a level.
SOLVED = 0.8
#: Marks rows of tasks or laboratories that have changed since.
OTHER = "†"


def measured() -> dict[str, list[float]]:
    """Task id -> skills of outside agents, in the order of the document; none of a task that is another one since."""
    found = defaultdict(list)
    for line in (suite_root() / "docs/headroom.md").read_text().splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        task = re.match(r"`(\w+/\w+)`", cells[1]) if re.match(r"\| 20\d\d-", line) else None
        number = next((cell for cell in cells[2:] if re.fullmatch(r"-?\d\.\d\d", cell)), None)
        if task and number and OTHER not in cells[1]:
            found[task[1]].append(float(number))
    return found


def test_a_level_has_headroom_where_agents_were_measured_to_fail_and_nowhere_else() -> None:
    failed = {name for name, skills in measured().items() if statistics.mean(skills) < SOLVED}
    assert failed == {facts.id for facts in default_registry().facts.values() if facts.has_headroom}
