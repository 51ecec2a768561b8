"""Data sets of the library that are not offered, and why.

`survey` finds those that do not work; codeio and puzzle24 are here for what their code does."""

from collections.abc import Mapping

EXCLUDED: Mapping[str, str] = {
    "boxnet": "its items hold no solution, so that its scorer cannot be checked",
    "codeio": "it runs programs of unknown origin to make its items",
    "composite": "it mixes other data sets: name one of those",
    "game_of_life": "its scorer raises on an answer that is a JSON object",
    "game_of_life_halting": "its scorer takes any text for the answer 'False'",
    "intermediate_integration": "the solution of some items is an unsolved integral, and its scorer may "
    "take minutes",
    "prime_factorization": "its scorer raises on an answer that is not made of numbers",
    "puzzle24": "its scorer takes any four numbers for those that were given; `countdown` is like it",
    "rush_hour": "its items hold no solution, so that its scorer cannot be checked",
}
