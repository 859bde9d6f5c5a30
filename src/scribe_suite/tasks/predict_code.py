"""Whether submitted Python source defines the function it must; it is parsed, and never run here."""

from __future__ import annotations

import ast
import warnings


def check_predict(code: str) -> None:
    """Refuse code that has no function ``predict`` at its top level, or one that can't be called with one value.

    Raises:
        ValueError: With what is wrong, and where.
    """
    _check_module(_parsed(code))


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


def _check_module(module: ast.Module) -> None:
    """Refuse a module that has no function ``predict`` at its top level, or one that can't be called with one value."""
    found = [node for node in module.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    predict = next((node for node in reversed(found) if node.name == "predict"), None)
    if predict is None:
        raise ValueError("must define a function 'predict' at its top level, as in `def predict(prompts): ...`")
    line = predict.lineno
    if isinstance(predict, ast.AsyncFunctionDef):
        raise ValueError(f"'predict' must be a plain function, but is 'async def' in line {line}")
    takes = predict.args
    positional = len(takes.posonlyargs) + len(takes.args)
    too_many = positional - len(takes.defaults) > 1 or None in takes.kw_defaults
    if too_many or (positional == 0 and takes.vararg is None):
        raise ValueError(
            f"'predict' in line {line} must be callable with one argument, as in `def predict(prompts): ...`"
        )
