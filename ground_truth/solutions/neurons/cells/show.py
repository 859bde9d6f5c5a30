"""Shared cells: ways to look at neurons: a table with shaded numbers, and texts coloured by activation.

They need the cells of `scan.py` and leave `table` and `show_texts`.
"""

# %% [markdown]
# ## Ways to look at neurons
#
# Tables are shaded within each row. In the texts every token has a background as red as the neuron is active there;
# white is silent. Tokens where the feature holds are underlined.

# %%
import html

from IPython.display import HTML, display

LEVELS = 12  # shades of red; equal neighbours need no mark-up of their own


def red(share):
    """A background colour for 0 (white) to 1 (red)."""
    return f"background:rgba(255,40,40,{round(min(max(share, 0), 1) * LEVELS) / LEVELS:.2f})"


def table(columns, rows, caption):
    """Show a table: `rows` are (label, cells), and a cell is a number or text."""
    lines = [f"<tr><th></th>{''.join(f'<th>{html.escape(column)}</th>' for column in columns)}</tr>"]
    for label, cells in rows:
        top = max((abs(cell) for cell in cells if not isinstance(cell, str)), default=0) or 1
        lines.append(
            f"<tr><th>{html.escape(label)}</th>"
            + "".join(
                f"<td>{html.escape(cell)}</td>"
                if isinstance(cell, str)
                else f'<td style="{red(0.6 * cell / top)}">{cell:z.2f}</td>'
                for cell in cells
            )
            + "</tr>"
        )
    display(HTML(f"<table><caption>{html.escape(caption)}</caption>{''.join(lines)}</table>"))


def coloured(row, start, stop, column, marked, top):
    """Part of a text as HTML."""
    pieces = []
    for place in range(start, stop):
        value = activations[row * length + place, column].item()
        text = html.escape(vocabulary[tokens[row, place]]).replace("\n", "&#9166;<br>")
        text = f"<u>{text}</u>" if marked is not None and marked[row, place] else text
        shade = round(min(max(value / top, 0), 1) * LEVELS)
        pieces.append(f'<span style="{red(value / top)}" title="{value:.2f}">{text}</span>' if shade else text)
    return "".join(pieces)


def places_to_show(column, sign, marked, top_texts):
    """Labelled positions: the most active (or silent) ones, one per text, and those furthest off the feature."""
    strength = sign * activations[:, column].view(n_texts, length)
    peaks, where = strength.max(1)
    label = "most active" if sign > 0 else "most silent"
    shown = [(label, row, where[row].item()) for row in peaks.topk(top_texts).indices.tolist()]
    if marked is not None:
        off = torch.where(marked, -torch.inf, strength).flatten().argmax().item()
        on = torch.where(marked, strength, torch.inf).flatten().argmin().item()
        shown += [("furthest off where the feature holds", *divmod(on, length))]
        shown += [("furthest off elsewhere", *divmod(off, length))]
    return shown


def show_texts(columns, headings, feature=None, signs=None, top_texts=3, before=14, after=6):
    """Show excerpts for several neurons.

    `feature` (Bool, shape of `tokens`) is underlined; `signs` are -1 for neurons that are to be silent where it holds,
    for which the most silent places come first.
    """
    blocks = []
    for heading, column, sign in zip(headings, columns, signs or [1] * len(columns), strict=True):
        top = max(activations[:, column].max().item(), 1e-6)
        steps = "".join(f'<span style="{red(step / 4)}">&nbsp;{top * step / 4:.1f}&nbsp;</span>' for step in range(5))
        blocks.append(f"<h4>{html.escape(heading)}</h4><small>activation: {steps}</small>")
        for label, row, place in places_to_show(column, sign, feature, top_texts):
            start, stop = max(0, place - before), min(length, place + after + 1)
            value = activations[row * length + place, column].item()
            blocks.append(
                f"<div><small>{label}: {value:z.2f} at position {place} of text {row}</small><br>"
                f"{'&hellip; ' if start else ''}{coloured(row, start, stop, column, feature, top)}"
                f"{' &hellip;' if stop < length else ''}</div>"
            )
    page = "".join(blocks)
    display(HTML(f'<div style="line-height:1.5;background:white;color:black">{page}</div>'))
