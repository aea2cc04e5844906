"""The rules of a week, read from `system_config` and copied into the plan's header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from worker.core.errors import KontribError, NotReady, UsageError
from worker.core.money import BaseUnits, base_units, exact_decimal
from worker.core.plan.allocation import Policy, StakingBonus, scaled_multiplier
from worker.core.plan.condition import Condition, conditions_from
from worker.core.plan.points import PointRules, Range

CONFIG_ID = "token_system"
MULTIPLIER_KINDS = ("quality", "reputation", "demand")
LATE_WEEKS = 4


class MalformedRules(NotReady):
    """A value of `system_config` cannot be used."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(
            f"system_config.{name} is not usable: {why}. Correct the document "
            f"'{CONFIG_ID}' in system_config; nothing is planned until then."
        )


@dataclass(frozen=True, slots=True)
class StakingTier:
    """The APY and the reward multiplier of a stake of `days`, both exact."""

    days: int
    apy: Decimal
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that decide a week's amounts, and limits that do not change them."""

    points: PointRules
    pool: BaseUnits
    floor: BaseUnits
    staking_bonus: StakingBonus
    min_points: int
    min_stake: BaseUnits
    staking_tiers: tuple[StakingTier, ...]
    eligibility: tuple[Condition, ...]
    hold_weeks: int | None
    max_new_accounts_per_week: int
    require_approval: bool
    reputation_steps: tuple[tuple[int, Decimal], ...] = field(default=())
    """Without steps, the wiki's own `reputation_score` counts."""
    max_left_out: Fraction = Fraction(1, 2)
    """A plan that leaves out a larger share of contributions or points waits for approval."""

    def eligibility_fields(self) -> list[str]:
        """The fields of a user's document that the conditions read."""
        return sorted({condition.top_field for condition in self.eligibility})

    def failed_condition(self, fields: Mapping[str, object]) -> Condition | None:
        """The first condition that a user with these fields does not meet."""
        return next((each for each in self.eligibility if not each.holds(fields)), None)

    @property
    def policy(self) -> Policy:
        return Policy(self.pool, self.floor, self.staking_bonus)

    def snapshot(self) -> dict[str, Any]:
        """The rules as the plan's header holds them, each number as a string."""
        ranges = {name: getattr(self.points, name) for name in MULTIPLIER_KINDS}
        return {
            "base_points": {k: str(v) for k, v in self.points.base_points.items()},
            "eligibility": [condition.as_document() for condition in self.eligibility],
            "hold_weeks": "" if self.hold_weeks is None else str(self.hold_weeks),
            "min_amount": str(self.floor),
            "min_points": str(self.min_points),
            "min_stake": str(self.min_stake),
            "multipliers": {
                k: {"max": _plain(r.highest), "min": _plain(r.lowest)} for k, r in ranges.items()
            },
            "pool": str(self.pool),
            "staking_bonus": self.staking_bonus.value,
        }


def rules_from(document: Mapping[str, Any] | None) -> Rules:
    """Read the `system_config` document. The fields that DESIGN adds have defaults.

    Raises:
        MalformedRules: a value is missing or cannot be used.
    """
    if document is None:
        raise MalformedRules(CONFIG_ID, "the document does not exist; run `kontrib migrate`")
    read = _Reader(document)
    return Rules(
        points=PointRules(
            base_points=read("contribution_types", _base_points),
            **{k: read(f"multipliers.{k}", _range) for k in MULTIPLIER_KINDS},
        ),
        pool=read("weekly_pool", base_units),
        floor=read("min_tokens_per_user", base_units),
        staking_bonus=read("staking_bonus", StakingBonus, StakingBonus.WITHIN_POOL),
        min_points=read("min_points", _at_least_one, 10),
        min_stake=read("min_stake", base_units, 0),
        staking_tiers=read("staking_tiers", _tiers),
        eligibility=read("eligibility", conditions_from, []),
        hold_weeks=read("hold_weeks", lambda v: None if v is None else _at_least_one(v), None),
        max_new_accounts_per_week=read("max_new_accounts_per_week", _at_least_one, 1_000_000),
        require_approval=read("require_approval", _flag, False),
        reputation_steps=read("reputation_steps", lambda v: _steps(v or []), []),
        max_left_out=read("max_left_out", _share, DEFAULT_MAX_LEFT_OUT),
    )


DEFAULT_REPUTATION_STEPS: list[dict[str, Any]] = [
    {"contributions": 0, "reputation": 0.8},
    {"contributions": 5, "reputation": 1.0},
    {"contributions": 25, "reputation": 1.2},
    {"contributions": 100, "reputation": 1.5},
]
DEFAULT_MAX_LEFT_OUT = 0.5
_MISSING = object()


class _Reader:
    """Reads dotted names from a document. Each failure names its field."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def __call__(self, name: str, convert: Any, default: Any = _MISSING) -> Any:
        value: Any = self._document
        for part in name.split("."):
            value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            if default is _MISSING:
                raise MalformedRules(name, "it is missing")
            value = default
        try:
            return convert(value)
        except KontribError as error:
            raise MalformedRules(name, str(error)) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MalformedRules(name, f"{type(error).__name__}: {error}") from error


def _base_points(types: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): _whole(entry["base_points"]) for name, entry in types.items()}


def _range(entry: Mapping[str, Any]) -> Range:
    low, high = exact_decimal(entry["min"]), exact_decimal(entry["max"])
    return Range(low, high, exact_decimal(entry.get("default", 1)))


def _tiers(entries: Mapping[str, Any]) -> tuple[StakingTier, ...]:
    tiers = []
    for name, entry in entries.items():
        days = _whole(name.removesuffix("_days"))
        multiplier, apy = exact_decimal(entry["multiplier"]), exact_decimal(entry["apy"])
        scaled_multiplier(multiplier)
        if apy < 0:
            raise UsageError(f"an APY of {apy} is below 0")
        tiers.append(StakingTier(days, apy, multiplier))
    return tuple(sorted(tiers, key=lambda tier: tier.days))


def _steps(entries: list[Mapping[str, Any]]) -> tuple[tuple[int, Decimal], ...]:
    steps = sorted((_whole(e["contributions"]), exact_decimal(e["reputation"])) for e in entries)
    if steps and steps[0][0] != 0:
        raise UsageError("the first step must begin at 0 contributions")
    return tuple(steps)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false")
    return value


def _share(value: object) -> Fraction:
    share = exact_decimal(value)
    if not 0 <= share <= 1:
        raise UsageError(f"{value!r} is not a share from 0 to 1")
    return Fraction(share)


def _whole(value: object) -> int:
    number = exact_decimal(value)
    if number != number.to_integral_value() or number < 0:
        raise UsageError(f"{value!r} is not a whole, non-negative number")
    return int(number)


def _at_least_one(value: object) -> int:
    if (number := _whole(value)) < 1:
        raise UsageError(f"{value!r} is below 1")
    return number


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
