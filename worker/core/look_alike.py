"""Ids that look alike, and what tells them apart."""

from __future__ import annotations

import unicodedata

_FORMAT = ("Cf", "Cc", "Zs", "Zl", "Zp")


def folded(text: str) -> str:
    """A key that ids which look alike share: without capitals, blanks and invisible characters."""
    if text.isascii() and text.isalnum():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _seen(folded)


def difference(text: str, other: str) -> str:
    """What tells `text` from an id that looks like it."""
    if text == other:
        return "it is text, and the other id is of another type"
    parts = []
    if marks := sorted(_unseen(text) - _unseen(other)):
        parts.append(f"it has {', '.join(map(named_character, marks))}")
    if marks := sorted(_unseen(other) - _unseen(text)):
        parts.append(f"it lacks {', '.join(map(named_character, marks))}")
    mine, theirs = _seen(text), _seen(other)
    if unicodedata.normalize("NFC", mine) == unicodedata.normalize("NFC", theirs):
        if mine != theirs:
            parts.append(f"it is {_form(mine)}, the other {_form(theirs)}")
    elif unicodedata.normalize("NFKC", mine) == unicodedata.normalize("NFKC", theirs):
        parts.append("it has other forms of the same letters")
    else:
        parts.append("it has other capitals")
    return "; ".join(parts) or "it has blanks or invisible characters at other places"


def is_unseen(character: str) -> bool:
    """Whether it is a blank, a control character or an invisible one."""
    return unicodedata.category(character) in _FORMAT


def _unseen(text: str) -> set[str]:
    return set(filter(is_unseen, text))


def _seen(text: str) -> str:
    return "".join(c for c in text if not is_unseen(c))


def _form(text: str) -> str:
    for form in ("NFC", "NFD"):
        if unicodedata.is_normalized(form, text):
            return form
    return "neither NFC nor NFD"


def named_character(character: str) -> str:
    """An invisible character in words."""
    usual = {" ": "a blank", "\n": "a line break", "\t": "a tab", "\r": "a carriage return"}
    return usual.get(character) or f"an invisible character U+{ord(character):04X}"
