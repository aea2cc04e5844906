"""Numbers in settings: plain digits, so that every reader sees the number that the program takes.

Pydantic alone would take `1_0`, `+5` and ` 5 ` for numbers, and `inf` for a number of seconds.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _plain_whole(value: object) -> object:
    return _checked(value, _WHOLE, "a whole number in the digits 0 to 9")


def _plain_number(value: object) -> object:
    return _checked(value, _NUMBER, "a number in the digits 0 to 9 and a point")


def _checked(value: object, form: re.Pattern[str], what: str) -> object:
    if isinstance(value, str) and not form.fullmatch(value):
        raise ValueError(f"not {what}")
    return value


Whole = Annotated[int, BeforeValidator(_plain_whole)]
Number = Annotated[float, BeforeValidator(_plain_number)]
