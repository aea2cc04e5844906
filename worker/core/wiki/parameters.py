"""The values of `system_config` that a proposal may change, and their limits.

This is an allow list: no vote changes any other value. The changed document must also be usable for
`rules_from`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.core.errors import UsageError
from worker.core.money import MalformedAmount, exact_decimal
from worker.core.plan.allocation import StakingBonus
from worker.core.plan.rules import MalformedRules, rules_from

ALIASES: Mapping[str, str] = {"weekly_token_pool": "weekly_pool"}
"""The owner's name for the weekly pool, in proposals."""

Value = int | float | str


@dataclass(frozen=True, slots=True)
class AllowedRange:
    """Lowest and highest allowed number, both included. `whole` refuses fractions."""

    lowest: Decimal
    highest: Decimal
    whole: bool = False


def _between(lowest: str, highest: str, *, whole: bool = False) -> AllowedRange:
    return AllowedRange(Decimal(lowest), Decimal(highest), whole)


STAKING_APY, STAKING_MULTIPLIER = _between("0", "2"), _between("1", "5")

OPTIONAL: Mapping[str, AllowedRange | None] = {
    "min_points": _between("1", "100000", whole=True),
    "min_stake": _between("0", "1000000"),
    "staking_bonus": None,
}
"""Parameters with a default, which may be missing from the document."""

NUMBERS: Mapping[str, AllowedRange] = {
    r"weekly_pool": _between("1", "1000000"),
    r"min_tokens_per_user": _between("0", "1000"),
    r"multipliers\.(quality|reputation|demand)\.(min|max|default)": _between("0", "10"),
    r"contribution_types\.[^.$]+\.base_points": _between("0", "10000", whole=True),
    r"staking_tiers\.[0-9]+_days\.apy": STAKING_APY,
    r"staking_tiers\.[0-9]+_days\.multiplier": STAKING_MULTIPLIER,
}


class UnknownParameter(UsageError):
    """Votes cannot change a parameter of this name, or the configuration lacks it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"Votes cannot change '{name}'. They can change weekly_pool (or "
            "weekly_token_pool), min_tokens_per_user, min_points, min_stake, staking_bonus, "
            "multipliers.KIND.min|max|default, contribution_types.TYPE.base_points and "
            "staking_tiers.N_days.apy|multiplier."
        )


class BeyondRange(UsageError):
    """The parameter cannot have this value."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        self.name, self.value = name, value
        super().__init__(f"{name} cannot be {value!r}: {allowed}.")


@dataclass(frozen=True, slots=True)
class Change:
    """A checked change of one value, and the whole document after it."""

    path: tuple[str, ...]
    old: Any
    new: Value
    document: dict[str, Any]


def checked_change(document: Mapping[str, Any] | None, name: str, value: object) -> Change:
    """Compute the configuration after a change of one parameter. Writes nothing.

    Raises:
        UnknownParameter: the name is not on the allow list, or not in the document.
        BeyondRange: the value is outside its limits, or contradicts other values.
        MalformedRules: the document is unusable even without the change.
    """
    rules_from(document)
    current: Mapping[str, Any] = document or {}
    canonical = ALIASES.get(name, name)
    limits = _limits_of(name, canonical)
    path = tuple(canonical.split("."))
    old = value_at(current, path)
    if old is None and canonical not in OPTIONAL:
        raise UnknownParameter(name)
    new = _checked_value(name, value, limits)
    changed = _with_value(current, path, new)
    try:
        rules_from(changed)
    except MalformedRules as error:
        allowed = f"it would make system_config.{error.name} unusable ({error.why})"
        raise BeyondRange(name, value, allowed) from None
    return Change(path, old, new, changed)


def value_at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path, or None."""
    value: Any = document
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _limits_of(name: str, canonical: str) -> AllowedRange | None:
    if canonical in OPTIONAL:
        return OPTIONAL[canonical]
    for pattern, limits in NUMBERS.items():
        if re.fullmatch(pattern, canonical):
            return limits
    raise UnknownParameter(name)


def _checked_value(name: str, value: object, limits: AllowedRange | None) -> Value:
    if limits is None:
        words = [bonus.value for bonus in StakingBonus]
        if value not in words:
            raise BeyondRange(name, value, f"it must be {' or '.join(words)}")
        return str(value)
    try:
        number = exact_decimal(value)
    except MalformedAmount:
        raise BeyondRange(name, value, "it must be a number") from None
    if not limits.lowest <= number <= limits.highest:
        allowed = f"it must be from {limits.lowest} to {limits.highest}"
        raise BeyondRange(name, value, allowed)
    if limits.whole:
        if number != number.to_integral_value():
            raise BeyondRange(name, value, "it must be a whole number")
        return int(number)
    if exact_decimal(float(number)) != number:
        raise BeyondRange(name, value, "it has more digits than the configuration can hold")
    return float(number)


def _with_value(document: Mapping[str, Any], path: tuple[str, ...], new: Value) -> dict[str, Any]:
    changed = copy.deepcopy(dict(document))
    inner = changed
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = new
    return changed
