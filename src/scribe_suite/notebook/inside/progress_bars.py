"""Draws progress bars as text where there are no widgets.

``tqdm.notebook`` raises an error without ipywidgets. With them an agent would see only the name of a widget's class; it
can read a bar of text.
"""

from __future__ import annotations

from typing import Any


def install(_kernel: Any, _given: object) -> None:
    """Give ``tqdm.notebook`` the bars of ``tqdm``, where both are installed and widgets are not."""
    try:
        import tqdm
        from tqdm import notebook
    except ImportError:
        return
    if getattr(notebook, "IProgress", None) is None:
        notebook.tqdm = notebook.tqdm_notebook = tqdm.tqdm
        notebook.trange = notebook.tnrange = tqdm.trange
