"""Checks a plan's rows one after the other: order, batches, weights, amounts, part roots."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Collection

from worker.core.errors import KontribError
from worker.core.findings import Check
from worker.core.money import BaseUnits, tokens_text
from worker.core.plan.allocation import MULTIPLIER_SCALE, Policy, StakingBonus, allocate
from worker.core.plan.commitment import Header, MalformedPlan, Row
from worker.core.plan.merkle import RootBuilder
from worker.core.proof.bundle import PLAN_FILE, UNREADABLE
from worker.core.proof.verify_payout_lines import PaidAlone
from worker.core.wording import counted

MULTIPLIERS_LISTED_MAX = 10

Share = tuple[bytes, int, int, int, int]
"""User, points, multiplier in millionths, amount, and the number of the line."""


class PlanRows:
    """Takes a plan's rows in the order of the file, after a header without contradictions.

    `tiers`: the allowed staking multipliers, in millionths; None allows any.
    """

    def __init__(
        self, header: Header, singles: Collection[bytes], tiers: Collection[int] | None
    ) -> None:
        self._header, self._singles, self._tiers = header, singles, tiers
        self._payable = header.rewards - header.held
        self._rows, self._weights = Check("rows"), Check("weights")
        self._shares: tuple[list[Share], list[Share]] = ([], [])
        self._multipliers: Counter[int] = Counter()
        self._first_with: dict[int, str] = {}
        self._points = self._weight = self._amount = self._seen = 0
        self._last_user = b""
        self._builder = RootBuilder()
        self._least_points = _whole(header.rules.get("min_points"), 1)
        self.part_roots: list[bytes] = []
        """The root of each batch, then the root of the held rows."""
        self.batch_amounts = [0] * header.batches
        self.alone: dict[bytes, PaidAlone] = {}
        """The rows of the users who were paid alone."""

    def add(self, line: bytes) -> None:
        """Check the next row, given without its line end."""
        position, number = self._seen, self._seen + 2
        self._seen += 1
        place = f"{PLAN_FILE} line {number}"
        if position >= self._header.rewards:
            self._rows.wrong(
                place, f"is beyond the header's {counted(self._header.rewards, 'reward')}"
            )
            return
        self._close_parts_before(self._part_of(position))
        self._builder.add(line)
        try:
            row = Row.parse(line)
        except MalformedPlan as error:
            self._rows.wrong(place, str(error))
            return
        place = f"{place} (user {row.user.hex()[:16]})"
        self._check_place(row, position, place)
        self._check_numbers(row, position, number, place)

    def finish(self) -> list[Check]:
        """The checks, after the last row."""
        header = self._header
        self._close_parts_before(header.batches + 1)
        self._rows.expect(PLAN_FILE, "the number of rows", header.rewards, self._seen)
        self._rows.detail = f"{counted(self._seen, 'row')} in canonical order, batches cut right"
        self._finish_weights()
        amounts = Check("amounts")
        if self._rows.wrong_count or self._weights.wrong_count:
            amounts.unproven(PLAN_FILE, "cannot be computed, because rows are wrong")
        else:
            _check_amounts(header, list(heapq.merge(*self._shares)), amounts)
        return [self._rows, self._check_totals(), self._weights, amounts]

    def _finish_weights(self) -> None:
        used = sorted(self._multipliers.items())
        shown = used[:MULTIPLIERS_LISTED_MAX]
        listed = ", ".join(f"{m / MULTIPLIER_SCALE:g} x {count:,}" for m, count in shown)
        more = f" and {counted(len(used) - len(shown), 'other')}" if len(used) > len(shown) else ""
        self._weights.detail = f"staking multipliers: {listed}{more}" if listed else "no rows"
        if self._tiers is None:
            return
        for multiplier, count in used:
            if multiplier not in (MULTIPLIER_SCALE, *self._tiers):
                what = (
                    f"{counted(count, 'row')} have the multiplier {multiplier / MULTIPLIER_SCALE:g}"
                )
                self._weights.wrong(self._first_with[multiplier], f"{what}, which is not a tier")

    def _part_of(self, position: int) -> int:
        held = position >= self._payable
        return self._header.batches if held else position // self._header.batch_size

    def _close_parts_before(self, part: int) -> None:
        while len(self.part_roots) < part:
            self.part_roots.append(self._builder.root())
            self._builder = RootBuilder()

    def _check_place(self, row: Row, position: int, place: str) -> None:
        """Check order, batch and wallet."""
        if position in (0, self._payable):
            self._last_user = b""  # held rows begin their own ascending order
        if len(row.user) != 32:
            self._rows.wrong(place, "has no user commitment of 32 bytes")
        elif row.user <= self._last_user:
            self._rows.wrong(place, "is not in ascending order, or is repeated")
        self._last_user = row.user
        is_held = position >= self._payable
        expected = "" if is_held else str(self._header.batch_id(self._part_of(position)))
        self._rows.expect(place, "the batch", repr(expected), repr(row.batch))
        if is_held == bool(row.wallet):
            self._rows.wrong(place, f"has the wallet {row.wallet!r} and the batch {expected!r}")

    def _check_numbers(self, row: Row, position: int, number: int, place: str) -> None:
        """Check points, weight and amount, and add them to the sums."""
        is_held, part = position >= self._payable, self._part_of(position)
        self._points += row.points
        self._weight += row.weight
        self._amount += row.amount
        if not is_held:
            self.batch_amounts[part] += row.amount
        if row.user in self._singles:
            self.alone[row.user] = PaidAlone(None if is_held else part, row.amount)
        if row.points < self._least_points:
            what = f"{row.points} points are below the {self._least_points} of the rules"
            self._weights.wrong(place, what)
        if row.points < 1 or row.weight % row.points or row.weight < row.points * MULTIPLIER_SCALE:
            what = f"weight {row.weight} is not {row.points} points times a multiplier of 1 or more"
            self._weights.wrong(place, what)
            return
        multiplier = row.weight // row.points
        self._multipliers[multiplier] += 1
        self._first_with.setdefault(multiplier, place)
        self._shares[is_held].append((row.user, row.points, multiplier, row.amount, number))

    def _check_totals(self) -> Check:
        check, header = Check("totals"), self._header
        place = f"{PLAN_FILE} line 1"
        check.expect(place, "total_points", self._points, header.total_points)
        check.expect(place, "total_weight", self._weight, header.total_weight)
        check.expect(place, "total_amount", self._amount, header.total_amount)
        ratio = f"{self._amount / self._points / 10**9:.9f}" if self._points else "none"
        total = tokens_text(self._amount)
        check.detail = f"{total} KONTRIB for {self._points:,} points, {ratio} a point on average"
        return check


def _check_amounts(header: Header, sorted_shares: list[Share], check: Check) -> None:
    """Compute every amount again, from weights and rules alone."""
    for before, share in itertools.pairwise(sorted_shares):
        if before[0] == share[0]:
            check.wrong(f"{PLAN_FILE} line {share[4]}", "the user has two rows")
    rules = header.rules
    try:
        pool, least = BaseUnits(int(rules["pool"])), BaseUnits(int(rules["min_amount"]))
        policy = Policy(pool, least, StakingBonus(rules["staking_bonus"]))
        points, multipliers = [s[1] for s in sorted_shares], [s[2] for s in sorted_shares]
        result = allocate(points, multipliers, policy)
    except (*UNREADABLE, KontribError) as error:
        check.wrong(f"{PLAN_FILE} line 1", f"its rules cannot be applied: {error}")
        return
    for share, amount in zip(sorted_shares, result.amounts, strict=True):
        if share[3] != amount:
            place = f"{PLAN_FILE} line {share[4]} (user {share[0].hex()[:16]})"
            check.expect(place, "the amount", amount, share[3])
    place = f"{PLAN_FILE} line 1"
    check.expect(place, "floor_waived", result.floor_waived, header.floor_waived)
    check.detail = f"recomputed {policy.staking_bonus}, {result.lifted:,} lifted to the floor"


def _whole(text: object, default: int) -> int:
    """A number of the rules. The root covers the rules, but they may hold anything."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else default
