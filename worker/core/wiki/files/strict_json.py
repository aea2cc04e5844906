"""JSON in which nothing is dropped silently: a key that stands twice is an error."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


class MalformedJson(ValueError):
    """The text is no JSON, or a key stands twice in it.

    `at` is the first character that cannot be read, `end` the end of the value if it has one.
    """

    def __init__(self, why: str, at: int, end: int | None = None) -> None:
        self.at, self.end = at, end
        super().__init__(why)


class StrictDecoder:
    """Decodes JSON values out of a longer text."""

    def __init__(self) -> None:
        self._twice: str | None = None
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def decode_at(self, text: str, start: int) -> tuple[Any, int]:
        """The value that begins there, and its end.

        Raises:
            MalformedJson: there is none.
        """
        self._twice = None
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            # A text that is not whole may go on; `pos` is where it began.
            is_open = error.msg.startswith("Unterminated")
            at = len(text) if is_open else error.pos
            raise MalformedJson(f"not JSON ({error.msg})", at) from None
        except RecursionError:
            raise MalformedJson("not JSON (nested too deeply)", start) from None
        except ValueError as error:  # a number of thousands of digits
            raise MalformedJson(f"not JSON ({error})", start) from None
        if self._twice is not None:
            raise MalformedJson(f"the key {self._twice!a} stands twice", start, end)
        return value, end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            (self._twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        return made


def read_json(content: bytes | str) -> Any:
    """The one value that a text holds.

    Raises:
        MalformedJson: the text is something else.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedJson("not UTF-8", 0) from None
    start = len(text) - len(text.lstrip())
    value, end = StrictDecoder().decode_at(text, start)
    if text[end:].strip():
        raise MalformedJson("not JSON (there is text behind the value)", end)
    return value
