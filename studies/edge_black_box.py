"""Black-box answers to `circuits/edges` that know programs, but not the nodes of their variables.

    python -m studies.edge_black_box

Inputs and outputs don't determine a program: many programs compute the same function. The solver is given the program
nevertheless, including the parents of each variable. It only has to guess the node of each variable. Heads and MLPs
compute different kinds of variables, and parents come first; all placements that satisfy this are equally probable.

The study also measures the value of remembering the base models, which are public: as a list of edges that is the same
for all instances, except for edges that an instance's nodes don't allow; and as all their programs, one of which the
instance runs, in a placement that its nodes allow.
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
from scribe_suite.planting.circuits.causal import renamed_correspondence
from scribe_suite.planting.circuits.layout import computed_before
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.edges import edges_between, order_of, wiring_of
from scribe_suite.planting.frozen import frozen_models
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.sets import f1

_DRAWN = 100
_TRIES = 2000
#: Numbers of instances over which a list is chosen (it is judged on as many others), and whose wiring is guessed.
_INSTANCES, _GUESSED = 200, 30


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


def guessed_wiring(programs: Sequence[Program], nodes: Collection[str], rng: random.Random) -> list[str]:
    """The edges whose probability is large enough to maximise the expected F1, approximately.

    Args:
        programs: The programs that may run, all equally probable.
        nodes: The nodes of the circuit.
        rng: Draws placements.
    """
    seen: Counter[str] = Counter()
    total = 0
    for program in programs:
        drawn = placements(program, nodes, max(1, _DRAWN // len(programs)), rng)
        total += len(drawn)
        for place in drawn:
            seen.update(str(edge) for edge in wiring_of(program, {name: (node,) for name, node in place.items()}))
    ranked = [(edge, count / max(1, total)) for edge, count in seen.most_common()]
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


def circuits_of(task: Edges, seeds: Sequence[int]) -> list[tuple[Base, Wired]]:
    """The base model, and the circuit in its own names, of the instances of these seeds."""
    found = []
    for seed in seeds:
        base = task.choose(seed)
        symmetry = symmetry_of(task.question_id, base.weights.config, seed)
        where = renamed_correspondence(task.placement(base.program, seed), symmetry)
        found.append((base, wired(base.program, where)))
    return found


def remembered(task: Edges) -> float:
    """The mean F1, over fresh instances, of the list of edges that was best over others."""
    known = MemoryList.over([one for _, one in circuits_of(task, range(_INSTANCES))])
    fresh = [one for _, one in circuits_of(task, range(_INSTANCES, 2 * _INSTANCES))]
    possible = [frozenset(map(str, edges_between(one.nodes))) for one in fresh]
    keys = [frozenset(map(str, one.key)) for one in fresh]
    return mean(f1(known.listed & every, key) for every, key in zip(possible, keys, strict=True))


def main() -> None:
    """Print the F1 and the skill of such guesses at each level, over fresh instances."""
    for level in LEVELS:
        task = Edges(level)
        chance, rng = task.blind.chance, random.Random(0)
        programs = [Base.of(model).program for model in frozen_models(task).values()]
        known, one_of_all = [], []
        for base, circuit in circuits_of(task, range(_GUESSED)):
            key = frozenset(map(str, circuit.key))
            known.append(f1(frozenset(guessed_wiring([base.program], circuit.nodes, rng)), key))
            one_of_all.append(f1(frozenset(guessed_wiring(programs, circuit.nodes, rng)), key))
        print(f"level {level}: chance {chance:.2f}")
        rows = {
            "program known": mean(known),
            f"all {len(programs)} programs remembered": mean(one_of_all),
            "list of edges remembered": remembered(task),
        }
        for name, score in rows.items():
            print(f"  {name}: F1 {score:.2f}, skill {normalised_skill(score, chance, 1.0):.2f}")


if __name__ == "__main__":
    main()
