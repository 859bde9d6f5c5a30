"""Code that is appended to submitted code: the sandbox calls ``predict`` with batches, but the code handles one case.

A call that raises gives no prediction. When all calls of a large enough batch raise, the code is broken.
"""

from __future__ import annotations

#: Turns a function of one row of numbers into a function of many rows.
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
    """Code that turns the preceding ``predict`` for one case into one for batches.

    Args:
        call: Source that defines ``_call(row, predict=predict)``, which calls the submitted function for one row.
        telling: If this many calls all raise, the code is broken; with fewer, the reason may be their cases.
    """
    return _EACH.format(call=call.strip(), telling=telling)
