"""The runs of one attempt: a run's id refers to its recipe, not to a stored result."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from scribe_suite.laboratory.frames import MAX_TENSORS_IN
from scribe_suite.laboratory.limits import MAX_RUNS
from scribe_suite.laboratory.recipes import Recipe
from scribe_suite.laboratory.refusals import RefusedError

#: Most bytes that are kept of all runs of an attempt.
MAX_KEPT = 512 << 20
#: Approximate bytes of a tensor, a patch and a run besides the values.
_TENSOR, _PATCH, _RUN = 256, 512, 1024


@dataclass(frozen=True)
class KnownRun:
    """A run that has been executed.

    Attributes:
        number: The run's number, from 1.
        key: Equal for identical runs.
        recipe: Its recipe, whose name is the run's id.
        needs: Ids of the runs that it patches from.
    """

    number: int
    key: str
    recipe: Recipe
    needs: tuple[str, ...]


class Runs:
    """All runs of an attempt. Safe to use from several threads."""

    def __init__(self) -> None:
        self._by_name: dict[str, KnownRun] = {}
        self._by_key: dict[str, KnownRun] = {}
        self._taken: set[str] = set()
        self._kept = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> KnownRun:
        """The run with an id.

        Raises:
            RefusedError: When there is none.
        """
        with self._lock:
            run = self._by_name.get(name)
            known = len(self._by_name)
        if run is None:
            which = f"the runs of this attempt are r1 to r{known}" if known else "nothing has been run yet"
            raise RefusedError(f"There is no run {name[:40]!r}; {which}.")
        return run

    def with_key(self, key: str) -> KnownRun | None:
        """The identical run, if there is one."""
        with self._lock:
            return self._by_key.get(key)

    def recipes(self, needs: Iterable[str], last: Recipe) -> list[Recipe]:
        """The recipes that a run needs, in a computable order; its own comes last.

        Args:
            needs: Ids of the runs that it patches from.
            last: The run.

        Raises:
            RefusedError: When these are too many, or too large to be sent.
        """
        found: dict[int, KnownRun] = {}
        waiting = list(needs)
        while waiting:
            run = self.get(waiting.pop())
            if run.number not in found:
                found[run.number] = run
                waiting.extend(run.needs)
        # a run patches only from earlier ones
        recipes = [*(found[number].recipe for number in sorted(found)), last]
        if len(recipes) > MAX_RUNS:
            raise RefusedError(
                f"This run would be computed from {len(recipes)} runs that patch from one another, itself included; at "
                f"most {MAX_RUNS} are allowed."
            )
        size = sum(map(_size, recipes))
        if size > MAX_TENSORS_IN:
            raise RefusedError(
                f"The tokens and vectors of this run, and of those that it patches from, have {size >> 20} MiB; at "
                f"most {MAX_TENSORS_IN >> 20} are allowed."
            )
        return recipes

    def require_room(self, recipe: Recipe) -> None:
        """Refuse a run that could not be stored.

        Raises:
            RefusedError: When the attempt's runs have used all their memory.
        """
        with self._lock:
            if self._kept + _memory(recipe) > MAX_KEPT:
                raise RefusedError(
                    f"The tokens, vectors and patches of all runs of this attempt may have {MAX_KEPT >> 20} MiB, and "
                    "this run does not fit any more."
                )

    def add(self, key: str, recipe: Recipe, needs: Iterable[str]) -> KnownRun:
        """Give an executed run an id.

        Args:
            key: The run's key. If a run with this key exists, that run is returned.
            recipe: Its recipe; the name is replaced.
            needs: Ids of the runs that it patches from.
        """
        with self._lock:
            if key in self._by_key:
                return self._by_key[key]
            number = len(self._by_name) + 1
            named = Recipe(f"r{number}", recipe.tokens, recipe.lengths, recipe.patches, recipe.vectors)
            run = self._by_name[named.name] = self._by_key[key] = KnownRun(number, key, named, tuple(needs))
            self._kept += _memory(named)
            return run

    def take(self, name: str) -> None:
        """Note that a kernel has received the results of a run."""
        with self._lock:
            self._taken.add(name)

    def unread(self) -> list[str]:
        """Ids of the runs of which no kernel has received any result, and from which no other run patches."""
        with self._lock:
            used = self._taken.union(*(run.needs for run in self._by_name.values()))
            return [name for name in self._by_name if name not in used]


def _size(recipe: Recipe) -> int:
    """Bytes of a recipe's tensors in a frame."""
    tensors = [recipe.tokens, *([] if recipe.lengths is None else [recipe.lengths]), *recipe.vectors.values()]
    return sum(tensor.nbytes + _TENSOR for tensor in tensors)


def _memory(recipe: Recipe) -> int:
    """Bytes of a stored recipe."""
    return _size(recipe) + _PATCH * len(recipe.patches) + _RUN
