"""The arguments of the notebook's tools, as agents read them: names and most arguments are Goodfire Scribe's."""

from __future__ import annotations

from pydantic import BaseModel, Field

from scribe_suite.notebook.session_table import MAX_NAME

#: Characters of a cell.
MAX_SOURCE = 1_000_000

SessionId = Field(description="The session_id that a start_... tool returned.")
NotebookPath = Field(
    description='Name of the notebook as a tool returned it, such as "notebook.ipynb".', max_length=MAX_NAME
)


class StartNewSession(BaseModel):
    """Start a new Jupyter kernel with an empty notebook.

    Returns session_id, which the other tools need, and notebook_path. If there is a setup cell it has been run
    already: it is cell 0 of the notebook and what it defines is there.
    """

    experiment_name: str | None = Field(None, description='Name for the notebook file, such as "attention_heads".')


class ResumeNotebook(BaseModel):
    """Start a new kernel for an existing notebook and run its cells again, in place.

    This is the way back after a kernel has died. Cells that killed the kernel, timed out or were interrupted are not
    run again; restoration_errors names cells that raised.
    """

    notebook_path: str = NotebookPath


class ContinueNotebook(BaseModel):
    """Copy an existing notebook to a new one, start a kernel and run the copy's cells; the original is not changed."""

    notebook_path: str = NotebookPath
    experiment_name: str | None = Field(None, description="Name for the new notebook file.")


class ExecuteCode(BaseModel):
    """Run Python code in a new cell and return what it puts out; variables stay for later cells.

    The first line of the result has cell_index, execution_count, status (ok, error, interrupted or timeout) and
    seconds; the outputs follow as they are, figures as images. The last expression of a cell is shown, as in Jupyter;
    IPython magics work. Long text is shortened in the middle, so print what you need. A cell that runs too long is
    interrupted, and its session lives on.
    """

    session_id: str = SessionId
    code: str = Field(description="Python source of the cell.", max_length=MAX_SOURCE)


class AddMarkdown(BaseModel):
    """Add a Markdown cell to the notebook, to note a finding or structure the work. Returns its cell number."""

    session_id: str = SessionId
    content: str = Field(description="Markdown text.", max_length=MAX_SOURCE)


class EditCell(BaseModel):
    """Replace the code of an existing code cell and run it, for example to fix an error in the last cell.

    Later cells are not run again. The result is that of execute_code.
    """

    session_id: str = SessionId
    code: str = Field(description="The new Python source.", max_length=MAX_SOURCE)
    cell_index: int = Field(-1, description="Number among the code cells, from 0; -1 is the last one.")


class ShutdownSession(BaseModel):
    """End a session: its kernel and variables are gone, its notebook stays and can be resumed."""

    session_id: str = SessionId


class Interrupt(BaseModel):
    """Interrupt the cell that is running, as Ctrl-C would; variables stay. Works while execute_code is waiting."""

    session_id: str = SessionId


class ListCells(BaseModel):
    """List the cells of the notebook: source, status and the beginning of the text of each output.

    With cell_index, one code cell is shown whole, in pages.
    """

    session_id: str = SessionId
    cell_index: int | None = Field(None, description="Number of a code cell, to read it whole.")
    page: int = Field(1, ge=1, le=100_000, description="Page of that cell.")


class SubmitAnswer(BaseModel):
    """Submit the value of a variable of the session as your answer.

    Build the answer in the kernel (a dict; arrays, tensors and sets are converted), then name the variable here: large
    values need not be typed out. The result says whether the answer was accepted, and if not, what is wrong with it;
    you may submit again.
    """

    session_id: str = SessionId
    variable: str = Field("answer", description="Name of the variable that holds the answer.")
