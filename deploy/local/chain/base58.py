"""Base58 for byte strings of any length; solders has it for keys and signatures only."""

from __future__ import annotations

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def base58_encode(data: bytes) -> str:
    """Encode bytes; each leading zero byte becomes a `1`."""
    number = int.from_bytes(data, "big")
    pairs = []
    # Two digits per step need half as many divisions of a long integer.
    while number:
        number, rest = divmod(number, 58 * 58)
        pairs.append(_PAIRS[rest])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(pairs)).lstrip("1")


def base58_decode(text: str) -> bytes:
    """Decode text; raise `ValueError` for a character outside of the alphabet."""
    number = 0
    for character in text:
        value = _VALUES.get(character)
        if value is None:
            raise ValueError(f"{character!r} is not a base58 character")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
