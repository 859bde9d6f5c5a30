"""Checks that submitted Python source defines the required function; it is parsed, never run, here."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

#: The number of a function's arguments, in words.
_COUNTED = {1: "one argument", 2: "two arguments", 3: "three arguments"}


def check_predict(code: str, arguments: Sequence[str] = ("prompts",)) -> None:
    """Refuse code unless it defines, at its top level, a function ``predict`` that takes these arguments.

    Args:
        code: Python source.
        arguments: Names of the positional arguments that it will be called with, for messages: one to three.

    Raises:
        ValueError: Says what is wrong, and where.
    """
    _check_module(_parsed(code), arguments)


def _parsed(code: str) -> ast.Module:
    try:
        with warnings.catch_warnings():  # "\d" in a string is no error, not even where warnings are
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except SyntaxError as error:
        raise ValueError(f"is not Python: {error.msg}, line {error.lineno or 1}") from None
    except (RecursionError, MemoryError):  # which of them it is depends on the kind of expression only
        raise ValueError("is nested too deeply for Python's parser: write it in smaller expressions") from None
    except ValueError as error:  # a null byte
        raise ValueError(f"can't be parsed: {str(error).splitlines()[0][:200]}") from None


def _check_module(module: ast.Module, arguments: Sequence[str]) -> None:
    """Refuse a module unless it defines, at its top level, a function ``predict`` that takes these arguments."""
    shown = f"`def predict({', '.join(arguments)}): ...`"
    found = [node for node in module.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    predict = next((node for node in reversed(found) if node.name == "predict"), None)
    if predict is None:
        raise ValueError(f"must define a function 'predict' at its top level, as in {shown}")
    line = predict.lineno
    if isinstance(predict, ast.AsyncFunctionDef):
        raise ValueError(f"'predict' must be a plain function, but is 'async def' in line {line}")
    takes = predict.args
    positional = len(takes.posonlyargs) + len(takes.args)
    too_many = positional - len(takes.defaults) > len(arguments) or None in takes.kw_defaults
    too_few = positional < len(arguments) and takes.vararg is None
    if too_many or too_few:
        count = _COUNTED[len(arguments)]
        raise ValueError(f"'predict' in line {line} must be callable with {count}, as in {shown}")
