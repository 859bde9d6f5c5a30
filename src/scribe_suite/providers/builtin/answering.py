"""Providers that submit an answer, or none, without looking at the model: the ends of the scale.

``oracle`` must reach skill 1, ``random`` about 0, ``null`` has no answer to score. A run with these three shows that
notebook, submission, scoring and table work, independently of any agent's ability.
"""

from __future__ import annotations

import json
from typing import Any

from scribe_suite.providers.base import AttemptContext, Provider, ProviderResult
from scribe_suite.providers.builtin.client_loop import drive
from scribe_suite.providers.builtin.mcp_client import NotebookClient


class OracleProvider(Provider):
    """Submits the key. Only the harness can hand it over, and only to this class."""

    name = "oracle"
    summary = "submits the answer key: the upper end of every scale"
    needs = frozenset({"oracle_answer"})

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Submit the key through the notebook."""
        return _submit(context, context.material["oracle_answer"])


class RandomProvider(Provider):
    """Submits a valid answer drawn without looking at the model."""

    name = "random"
    summary = "submits a random valid answer: the lower end"
    needs = frozenset({"random_answer"})

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Submit the random answer through the notebook."""
        return _submit(context, context.material["random_answer"])


class NullProvider(Provider):
    """Looks at its notebook and submits nothing."""

    name = "null"
    summary = "submits nothing: shows what an attempt without an answer looks like"

    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Start a session, run one cell, stop."""

        async def work(notebook: NotebookClient) -> str:
            session = await notebook.start_session("null")
            await notebook.call("execute_code", session_id=session, code="print('nothing to submit')")
            return ""

        return drive(context, work)


def _submit(context: AttemptContext, answer: dict[str, Any]) -> ProviderResult:
    # as JSON text, so that every float arrives in the kernel unchanged
    code = f"import json\nanswer = json.loads({json.dumps(json.dumps(answer))})"

    async def work(notebook: NotebookClient) -> str:
        session = await notebook.start_session("submission")
        await notebook.call("execute_code", session_id=session, code=code)
        submitted = await notebook.call("submit_answer", session_id=session, variable="answer")
        return submitted.line if submitted.is_error else ""

    return drive(context, work)
