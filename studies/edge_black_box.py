"""Black-box answers to `circuits/edges` given the program, but not the nodes of its variables.

    python -m studies.edge_black_box

Inputs and outputs don't determine a program: many programs compute the same function. The solver is given the program
nevertheless, including the parents of each variable. It only has to guess the node of each variable. Heads and MLPs
compute different kinds of variables, and parents come first; all placements that satisfy this are equally probable.

The study also measures the value of remembering the base models: a list of edges that is the same for all instances,
except for edges that an instance's nodes don't allow. With few base models, their nodes identify them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import mean

from ground_truth.circuits.edges import Edges, wired
from ground_truth.circuits.mechanisms.base import Base
from ground_truth.circuits.planted.draws import symmetry_of
from ground_truth.circuits.wirings.blind import Wired
from ground_truth.circuits.wirings.levels import LEVELS
from scribe_suite.planting.circuits.causal import circuit_of, renamed_correspondence
from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.edges import edges_between, order_of, wiring_of
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.sets import f1

_DRAWN = 100
_TRIES = 2000
#: Number of instances over which a list is chosen.
_INSTANCES = 120


def placements(program: Program, nodes: Collection[str], count: int, rng: random.Random) -> list[dict[str, str]]:
    """Random placements of a program's variables on nodes that the order of computation allows; weighted by chance."""
    found: list[dict[str, str]] = []
    for _ in range(_TRIES):
        if len(found) == count:
            break
        place = _placed(program, nodes, rng)
        if place is not None:
            found.append(place)
    return found


def _placed(program: Program, nodes: Collection[str], rng: random.Random) -> dict[str, str] | None:
    """One placement, node by node in the order of computation; None where the draw reaches a dead end."""
    place: dict[str, str] = {}
    for node in sorted(nodes, key=order_of):
        ready = [
            part.name
            for part in program.parts
            if part.name not in place
            and part.is_head == (node[0] == "a")
            and all(
                name in place and computed_before(place[name], node) for name in part.inputs if name in program.by_name
            )
        ]
        if not ready:
            return None
        place[rng.choice(ready)] = node
    return place


def guessed_wiring(program: Program, nodes: Collection[str], rng: random.Random) -> list[str]:
    """The edges whose probability is large enough to maximise the expected F1, approximately."""
    drawn = placements(program, nodes, _DRAWN, rng)
    seen: Counter[str] = Counter()
    for place in drawn:
        seen.update(str(edge) for edge in wiring_of(program, {name: (node,) for name, node in place.items()}))
    ranked = [(edge, count / max(1, len(drawn))) for edge, count in seen.most_common()]
    size = sum(share for _, share in ranked)
    hits, best, kept = 0.0, 0.0, 0
    for number, (_, share) in enumerate(ranked, 1):
        hits += share
        if 2 * hits / (number + size) > best:
            best, kept = 2 * hits / (number + size), number
    return [edge for edge, _ in ranked[:kept]]


@dataclass(frozen=True)
class MemoryList:
    """The best fixed list of the edges that are most often in a key, chosen with all keys known.

    Attributes:
        listed: Names of edges.
        score: Its mean F1 over the circuits, each scored on the listed edges that are possible there.
    """

    listed: frozenset[str]
    score: float

    @classmethod
    def over(cls, circuits: Sequence[Wired]) -> MemoryList:
        """Find the list over circuits in the names of instances."""
        seen, right = Counter[str](), Counter[str]()
        keys = [frozenset(map(str, one.key)) for one in circuits]
        possible = [frozenset(map(str, edges_between(one.nodes))) for one in circuits]
        for key, every in zip(keys, possible, strict=True):
            seen.update(every)
            right.update(key)
        ranked = sorted(right, key=lambda name: (-right[name] / seen[name], name))
        hits, sizes, best = [0] * len(keys), [0] * len(keys), (0.0, 0)
        for count, name in enumerate(ranked, 1):
            for at, (key, every) in enumerate(zip(keys, possible, strict=True)):
                sizes[at] += name in every
                hits[at] += name in key
            scores = [2 * hit / (size + len(key)) for hit, size, key in zip(hits, sizes, keys, strict=True)]
            best = max(best, (mean(scores), count))
        return cls(frozenset(ranked[: best[1]]), best[0])


def remembered(task: Edges) -> MemoryList:
    """The list that is best over fresh instances."""
    instances = []
    for seed in range(_INSTANCES):
        base = task.choose(seed)
        symmetry = symmetry_of(task.question_id, base.weights.config, seed)
        instances.append(wired(base.program, renamed_correspondence(base.correspondence, symmetry)))
    return MemoryList.over(instances)


def main() -> None:
    """Print the F1 and the skill of such guesses at each level, over the base models."""
    for level in LEVELS:
        task = Edges(level)
        found = []
        for base in map(Base.of, frozen_models(task).values()):
            nodes = circuit_of(base.correspondence)
            key = frozenset(map(str, wiring_of(base.program, base.correspondence)))
            found.append(f1(frozenset(guessed_wiring(base.program, nodes, random.Random(0))), key))
        skills = [normalised_skill(one, task.blind.chance, 1.0) for one in found]
        listed = remembered(task).score
        print(f"level {level}: chance {task.blind.chance:.2f}")
        print(f"  program known: F1 {mean(found):.2f}, skill {mean(skills):.2f}")
        print(f"  keys remembered: F1 {listed:.2f}, skill {normalised_skill(listed, task.blind.chance, 1.0):.2f}")


if __name__ == "__main__":
    main()
