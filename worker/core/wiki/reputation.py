"""The reputation multiplier of a user, by the number of earlier contributions.

The steps come from `system_config.reputation_steps`, by default: below 5 contributions 0.8, from 5
on 1.0, from 25 on 1.2, from 100 on 1.5. Without steps the wiki keeps `reputation_score` itself:
that score counts, and is never rewritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal


def reputation(steps: Sequence[tuple[int, Decimal]], contributions: int) -> Decimal | None:
    """The multiplier of a user with `contributions` earlier contributions; None without steps.

    `steps` are pairs of a least count and a multiplier, ascending, the first one at 0; see
    `core.plan.rules.rules_from`, which refuses other values.
    """
    reached = [multiplier for least, multiplier in steps if contributions >= least]
    return reached[-1] if steps else None
