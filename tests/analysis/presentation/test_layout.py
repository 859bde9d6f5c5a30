import io

from rich.console import Console

from scribe_suite.analysis.presentation.layout import Columns, lay_out

BLOCKS = [Columns(tuple(f"provider{n}\n{metric}" for n in range(3)), (("0.500",) * 3,)) for metric in ("IoU", "Skill")]


def rendered(tables, width):
    stream = io.StringIO()
    for table in tables:
        Console(file=stream, width=width).print(table)
    return stream.getvalue().splitlines()


def test_columns_that_do_not_fit_go_into_a_further_table_and_a_block_stays_together():
    tables = lay_out("Task", ["toy"], BLOCKS, 60)
    assert [[column.header for column in table.columns][:2] for table in tables] == [
        ["Task", "provider0\nIoU"], ["Task", "provider0\nSkill"],
    ]  # fmt: skip
    lines = rendered(tables, 60)
    assert max(map(len, lines)) <= 60
    assert sum("toy" in line for line in lines) == 2


def test_what_fits_is_one_table_and_what_never_fits_is_not_cut():
    (one,) = lay_out("Task", ["toy"], BLOCKS, 100)
    assert len(one.columns) == 7
    assert [len(table.columns) for table in lay_out("Task", ["toy"], BLOCKS, 10)] == [4, 4]
