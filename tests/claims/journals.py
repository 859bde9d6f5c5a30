"""Journals written by hand, as a notebook would have written them."""

from scribe_suite.claims.evidence import evidence_of_events


class Journal:
    """Events of one notebook; every run gets the next execution count."""

    def __init__(self):
        self.events = []
        self._count = self._cells = 0

    def run(self, code, text="", *, status="ok", cell=None, run=1, error=None, outputs=()):
        """Add a run and return its execution count."""
        self._count += 1
        if cell is None:
            cell, self._cells = f"cell-{self._cells}", self._cells + 1
        where = {"time": float(self._count), "cell": cell, "run": run}
        self.events.append({"event": "cell_started", **where, "kind": "agent", "code": code})
        shown = [{"output_type": "stream", "name": "stdout", "text": text}] if text else []
        if error is not None:
            shown.append({"output_type": "error", "ename": error, "evalue": "no", "traceback": []})
        for output in (*shown, *outputs):
            self.events.append({"event": "output", **where, "output": output})
        self.events.append({"event": "cell_finished", **where, "status": status, "execution_count": self._count})
        return self._count

    @property
    def evidence(self):
        return evidence_of_events({"notebook": self.events})


def journal(*runs):
    """A journal of runs, each given as code and text."""
    made = Journal()
    for code, text in runs:
        made.run(code, text)
    return made
