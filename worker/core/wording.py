"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 reward`, `10,000 rewards`. `things` is a plural that takes more than an s."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"
