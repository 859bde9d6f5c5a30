"""The reference provider: runs the task's reference solution cell by cell through the MCP tools, as an agent would."""

from __future__ import annotations

from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import AttemptContext, Provider, ProviderResult
from scribe_suite.providers.builtin.client_loop import drive
from scribe_suite.providers.builtin.mcp_client import NotebookClient
from scribe_suite.tasks.solutions import REFERENCE, Cell

#: The last cell of every reference notebook, which shows the submitted answer to readers.
SHOWN_ANSWER = Cell(
    "code",
    '''\
def shortened(value, longest=700):
    """The text of a value, without its middle where it is long."""
    text = str(value)
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]} [...] {text[-longest // 4 :]} ({len(text):,} characters)"


for field, value in answer.items():
    print(f"{field}: {shortened(value)}")''',
)


class ReferenceProvider(Provider):
    """Executes the percent-format solution that it gets from the harness, shows its ``answer``, and submits it."""

    name = REFERENCE
    summary = "runs the task's reference solution, cell by cell through the notebook tools"
    needs = frozenset({"solution"})

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Run the solution.

        Raises:
            InfrastructureError: With cause ``reference_failed`` when a cell fails: the solution is the suite's own.
        """
        cells: list[Cell] = context.material["solution"]

        async def work(notebook: NotebookClient) -> str:
            session = await notebook.start_session("reference")
            for number, cell in enumerate([*cells, SHOWN_ANSWER], start=1):
                if cell.kind == "markdown":
                    done = await notebook.call("add_markdown", session_id=session, content=cell.source)
                else:
                    done = await notebook.call("execute_code", session_id=session, code=cell.source)
                if done.is_error or done.value.get("status", "ok") != "ok":
                    raise InfrastructureError(
                        "reference_failed", f"Cell {number} of the reference solution failed: {done.line[-1500:]}"
                    )
            submitted = await notebook.call("submit_answer", session_id=session, variable="answer")
            return submitted.line if submitted.is_error else ""

        return drive(context, work)
