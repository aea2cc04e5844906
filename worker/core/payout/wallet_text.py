"""Says what is wrong with a wallet that is no address, so that a person can correct it.

Nothing is corrected here: a wallet that is trimmed by a guess may be another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from worker.core.look_alike import is_unseen, named_character
from worker.core.payout.chain import AccountProblem, Recipient
from worker.core.wording import counted

ADDRESS_BYTES = 32
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ADDRESS = re.compile(f"[{_ALPHABET}]{{32,44}}")
_INSIDE = re.compile(rf"(?<!\w)[{_ALPHABET}]{{32,44}}(?!\w)")
_LONGEST = 128
_ONE_CASE = re.compile("(?=.*[A-Za-z])([0-9a-z]{32,44}|[0-9A-Z]{32,44})")
_ETHEREUM = re.compile("(0[xX])?[0-9a-fA-F]{40}")
_BITCOIN = re.compile("(bc1|BC1)[0-9a-zA-Z]{11,87}")
_BITCOIN_BYTES = 25
_KEY_BYTES = 64


def problem_text(recipient: Recipient) -> str | None:
    """Why a recipient cannot be paid, in words that say what to correct."""
    if recipient.problem is AccountProblem.NOT_AN_ADDRESS:
        return describe_wallet(recipient.wallet)
    return recipient.problem.value if recipient.problem else None


def describe_wallet(value: object) -> str:
    """Why a stored wallet is no address."""
    what = _what_it_is(value) if isinstance(value, str) else f"it is {_type_name(value)}, not text"
    return f"{AccountProblem.NOT_AN_ADDRESS.value}: {what}"


def has_lost_case(wallet: str) -> bool:
    """Whether all letters of an address are of one case. No real address has only such letters,
    and what was changed may be the address of another key."""
    return _ONE_CASE.fullmatch(wallet) is not None


def _type_name(value: object) -> str:
    if isinstance(value, Mapping):
        return "a document"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "a number" if isinstance(value, int | float) else f"of type {type(value).__name__}"


def _what_it_is(text: str) -> str:
    seen = "".join(c for c in text if not is_unseen(c))
    if not seen:
        return "it is blank"
    if seen != text and _is_address(seen):
        return f"it has {' and '.join(_unseen_places(text))}, remove it"
    inside = [found for found in _INSIDE.findall(text) if _is_address(found)]
    if inside and seen not in inside:
        more = "more than one address" if len(inside) > 1 else "other characters around an address"
        return f"it has {more}, leave the address alone"
    return _kind(seen) or _fault(seen)


def _unseen_places(text: str) -> Iterator[str]:
    """Each invisible character, and where it is."""
    start = len(text) - len(text.lstrip("".join(filter(is_unseen, text))))
    end = len(text.rstrip("".join(filter(is_unseen, text))))
    places = ((text[:start], "at its beginning"), (text[start:end], "inside"))
    for part, place in (*places, (text[end:], "at its end")):
        for character in sorted(set(filter(is_unseen, part))):
            yield f"{named_character(character)} {place}"


def _kind(text: str) -> str | None:
    """What the text is instead of an address."""
    if _ETHEREUM.fullmatch(text):
        return "it is an Ethereum address"
    if _BITCOIN.fullmatch(text) or _base58_bytes(text) == _BITCOIN_BYTES:
        return "it is a Bitcoin address"
    if has_lost_case(text):
        case = "lower" if text == text.lower() else "upper"
        return f"it is all in {case} case, and capitals count in an address"
    if "@" in text[1:] and "." in text:
        return "it is an e-mail address"
    if text.startswith("@") or "." in text:
        return "it is a name, not an address"
    if _base58_bytes(text) == _KEY_BYTES:
        return "it is as long as a secret key or a signature"
    return None


def _fault(text: str) -> str:
    odd = next((c for c in text if c not in _ALPHABET), None)
    if odd is not None and 32 <= len(text) <= 44:
        return f"it has the character {odd!a}, which no address has"
    if (count := _base58_bytes(text)) is not None and 32 <= len(text) <= 44:
        return f"it has {count} bytes, and an address has {ADDRESS_BYTES}"
    return f"it has {counted(len(text), 'character')}, and an address has 32 to 44"


def is_address(text: str) -> bool:
    """Whether it can be an address. Whether a key or a program owns it is not seen here."""
    return not has_lost_case(text) and _is_address(text)


def _is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None and _base58_bytes(text) == ADDRESS_BYTES


def _base58_bytes(text: str) -> int | None:
    """How many bytes the text stands for; None where it is no base58."""
    if len(text) > _LONGEST or not all(c in _ALPHABET for c in text):
        return None
    number = 0
    for character in text:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    return len(text) - len(text.lstrip("1")) + (number.bit_length() + 7) // 8
