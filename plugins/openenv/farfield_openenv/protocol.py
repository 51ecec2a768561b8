"""OpenEnv's protocol on `/ws`: JSON objects, one answer to each message, in order.

    {"type": "reset", "data": {"seed": 7, …}}     gets an observation
    {"type": "step", "data": {the action}}        gets an observation
    {"type": "state"}                             gets a state
    {"type": "close"}                             ends the connection

    {"type": "observation", "data": {"observation": {…}, "reward": 1.0, "done": false, "metadata": {…}}}
    {"type": "state", "data": {"episode_id": "…", "step_count": 3}}
    {"type": "error", "data": {"message": "…", "code": "…"}}

A connection is one session, from its first message to its end. A server that is full says so in an error,
unasked, and closes.
"""

from enum import StrEnum

PATH = "/ws"


class ErrorCode(StrEnum):
    """What an error answer says was wrong."""

    INVALID_JSON = "INVALID_JSON"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    EXECUTION_ERROR = "EXECUTION_ERROR"
    CAPACITY_REACHED = "CAPACITY_REACHED"
