"""Hides the secrets of the settings in texts: in logs, errors, messages and stored reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

HIDDEN = "(hidden)"
SECRET_CHARACTERS_MIN = 4
"""Shorter texts are not hidden: that would make other texts unreadable."""
KEY_CHARACTERS_MIN = 12
"""A part of a path, or a user's name, that is at least this long may be an API key. Shorter ones
are words, such as `v2`, `services` and `event`."""
_SECRET_OPTION = re.compile("password|secret|token|api.?key", re.IGNORECASE)


def passwords_in_url(url: str) -> list[str]:
    """The password of a URL, a user's name that may be a key, and options such as
    `tlsCertificateKeyFilePassword`. The path is a database or a folder, and no secret."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return [url]
    values = [value for name, value in _options(parts.query) if _SECRET_OPTION.search(name)]
    users = [user] if len(user) >= KEY_CHARACTERS_MIN else []
    return _hidden_forms([password, *users, *values])


def secrets_in_url(url: str) -> list[str]:
    """Every part of an endpoint's URL that may be a password or an API key.

    A server that echoes a key usually echoes it without its place in the URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    path = [*parts.path.split("/"), parts.path.strip("/")]
    keys = [part for part in path if len(part) >= KEY_CHARACTERS_MIN]
    values = [value for _, value in _options(parts.query)]
    return [*passwords_in_url(url), *_hidden_forms([*keys, parts.query, *values])]


def _options(query: str) -> list[tuple[str, str]]:
    """Names and values of a query, as they are written."""
    pairs = (option.partition("=") for option in query.split("&"))
    return [(name, value) for name, _, value in pairs]


def _hidden_forms(texts: Iterable[str]) -> list[str]:
    """The texts that are long enough, as written and decoded."""
    found = dict.fromkeys(form for text in texts for form in (text, unquote(text)))
    return [text for text in found if len(text) >= SECRET_CHARACTERS_MIN]


class Hiding:
    """Replaces secrets by `(hidden)`, in their plain and their escaped forms."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a whole URL is hidden before the password inside it.
        forms = {form for text in secrets if text for form in _forms(text)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text


def _forms(text: str) -> set[str]:
    """A text, and its escaped forms in Python and JSON strings."""
    return {text, repr(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
