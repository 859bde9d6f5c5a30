"""What is put behind submitted code: the sandbox calls ``predict`` with batches, and the code is written for one case.

A call that raises has no prediction. When all of a batch raise, and it is large enough to tell, the code is broken.
"""

from __future__ import annotations

#: Takes a function of one row of numbers, and gives one of many.
_EACH = """


def _each(call, telling={telling}):
    def answers(rows):
        found, errors = [], []
        for row in rows:
            try:
                found.append(call(list(row)))
            except Exception as error:
                found.append(None)
                errors.append(error)
        if len(errors) == len(rows) >= telling:
            raise errors[0]
        return found

    return answers


{call}


predict = _each(_call)
"""


def calling_each(call: str, telling: int) -> str:
    """Code that makes a ``predict`` of one case, which stands before it, one of batches.

    Args:
        call: Source that defines ``_call(row, predict=predict)``, which calls the submitted function for one row.
        telling: So many calls, all of which raise, say that the code is broken; fewer may be about their cases.
    """
    return _EACH.format(call=call.strip(), telling=telling)
