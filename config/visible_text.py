"""Shows text from outside on a terminal: characters that control it are written as escapes."""

from __future__ import annotations

import re

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL = "\x00-\x09\x0b-\x1f\x7f-\x9f"
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that have no width or that turn the direction of the text, and lone surrogates."""
_HOSTILE = re.compile(f"[{_CONTROL}{_UNSEEN}]")
_HOSTILE_OR_END = re.compile(f"[\n{_CONTROL}{_UNSEEN}]")


def visible(text: str) -> str:
    """The text with `\\x1b` and the like for every such character. Line ends stay."""
    return _HOSTILE.sub(_escape, text)


def visible_line(text: str) -> str:
    """The same on one line."""
    return _HOSTILE_OR_END.sub(_escape, text)


def visible_json(text: str) -> str:
    """JSON with such characters written as JSON escapes. JSON has them in its strings only."""
    return _HOSTILE.sub(_escape_in_json, text)


def _escape(found: re.Match[str]) -> str:
    character, number = found[0], ord(found[0])
    if character in _SHORT:
        return _SHORT[character]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _escape_in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
