"""Checks that submitted Python source defines the required functions; it is parsed, never run, here."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence

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
    check_functions(code, {"predict": arguments})


def check_functions(code: str, functions: Mapping[str, Sequence[str]]) -> None:
    """Refuse code unless it defines, at its top level, functions that take certain arguments.

    Args:
        code: Python source.
        functions: Name of each function -> names of the positional arguments that it will be called with: one to three.

    Raises:
        ValueError: Says what is wrong, and where.
    """
    module = _parsed(code)
    for name, arguments in functions.items():
        _check_module(module, name, arguments)


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


def _check_module(module: ast.Module, name: str, arguments: Sequence[str]) -> None:
    """Refuse a module unless it defines, at its top level, a function of a name that takes these arguments."""
    shown = f"`def {name}({', '.join(arguments)}): ...`"
    found = [node for node in module.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    function = next((node for node in reversed(found) if node.name == name), None)
    if function is None:
        raise ValueError(f"must define a function {name!r} at its top level, as in {shown}")
    line = function.lineno
    if isinstance(function, ast.AsyncFunctionDef):
        raise ValueError(f"{name!r} must be a plain function, but is 'async def' in line {line}")
    takes = function.args
    positional = len(takes.posonlyargs) + len(takes.args)
    too_many = positional - len(takes.defaults) > len(arguments) or None in takes.kw_defaults
    too_few = positional < len(arguments) and takes.vararg is None
    if too_many or too_few:
        count = _COUNTED[len(arguments)]
        raise ValueError(f"{name!r} in line {line} must be callable with {count}, as in {shown}")
