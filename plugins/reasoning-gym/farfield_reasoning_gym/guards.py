"""What a policy wrote is read, never run.

Four scorers of the library call `eval` on the answer, with the item and its solution in reach. Three hand it
to `sympy.parse_expr`, which evaluates any Python and knows `Integral` and `expand`: an answer could name the
solution instead of finding it. In the child these names stand for readers of literals and of plain formulas;
what else an answer may hold is a ValueError, which each of these scorers takes for a wrong answer.
"""

import ast
import importlib
import re
from typing import Any

import sympy
from sympy.parsing.sympy_parser import parse_expr

_EVALUATES = ("string_insertion", "spiral_matrix", "binary_matrix")
_FUNCTIONS = "exp|log|ln|sqrt|a?(?:sin|cos|tan|cot|sec|csc)h?|pi|Abs"
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?![\d.])"
_NAME = rf"(?:{_FUNCTIONS}|[A-Za-z])(?![A-Za-z0-9_])"
FORMULA = re.compile(rf"(?:\s|[-+*/^()]|{_NUMBER}|{_NAME})*")
"""Numbers, letters as variables, arithmetic, and functions of one variable. A number or a name ends where
it must, so that a text has one reading: matching takes time in proportion to its length."""
LONGEST_FORMULA = 2000
"""Characters; sympy takes seconds for more."""


def put_up() -> None:
    """In this process, for good."""
    for name in _EVALUATES:
        _shadow(f"algorithmic.{name}", eval=ast.literal_eval)
    _shadow("games.n_queens", eval=ast.literal_eval)
    _shadow("games.countdown", parse_expr=formula)
    vars(sympy)["parse_expr"] = formula


def formula(text: str, *arguments: Any, **keywords: Any) -> Any:
    """`parse_expr` of a plain formula; ValueError for anything else."""
    if len(text) > LONGEST_FORMULA or not FORMULA.fullmatch(text):
        raise ValueError("no plain formula")
    return parse_expr(text, *arguments, **keywords)


def _shadow(module: str, **names: Any) -> None:
    """Global names of a module go before built-in ones."""
    vars(importlib.import_module(f"reasoning_gym.{module}")).update(names)
