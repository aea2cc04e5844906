"""Create the token accounts that a plan's recipients lack, before anything is paid to them.

At our cost once per user: one that its owner closed again is not recreated (rent is farmed that
way). An account counts as made when the payment into it is final. Creations move no tokens and
are idempotent, so they need no receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.core.lifecycle import Stage
from worker.core.payout.records import Landing, missing_wallets
from worker.core.plan.planned_week import PlannedWeek
from worker.core.week import Week
from worker.services.context import Context, Deadline
from worker.services.plan.seal import anchored_seal

CHUNK_REWARDS = 6000


@dataclass(frozen=True, slots=True)
class Prepared:
    """How many accounts were created, and whether none is missing any more."""

    week: Week
    created: int
    finished: bool


def prepare_accounts(context: Context, planned: PlannedWeek, deadline: Deadline) -> Prepared:
    """Create the missing accounts of an anchored plan, then move the week on to payments.

    Raises:
        Paused, NotAnchored: nothing may be signed.
    """
    week, plan_id = planned.week, planned.plan_id
    anchored_seal(context, planned)
    created, position = 0, -1
    while rewards := context.store.rewards_needing_account(plan_id, position, CHUNK_REWARDS):
        wallets = [reward.row.wallet for reward in rewards]
        missing = missing_wallets(context.chain.recipients(wallets))
        while missing:
            if deadline.passed:
                return Prepared(week, created, finished=False)
            made = create_token_accounts(context, sorted(missing), deadline)
            created += len(made)
            missing -= made
        position = rewards[-1].position
    context.store.advance(week, plan_id, Stage.ANCHORED, Stage.PREPARED)
    return Prepared(week, created, finished=True)


def create_token_accounts(context: Context, wallets: Sequence[str], deadline: Deadline) -> set[str]:
    """Send creations until they are done or the blockhash has expired; the wallets that had one.

    Seen at confirmed is enough: should a fork drop one, the payment finds the account missing.
    An account whose creation is final and that is missing counts as made: its owner closed it,
    and whoever would create it again for them pays them the rent.
    """
    context.refuse_if_paused()
    blockhash = context.chain.latest_blockhash()
    wires = [
        (s.signature, s.wire) for s in context.chain.sign_account_creations(wallets, blockhash)
    ]
    missing = set(wallets)
    while not deadline.passed:
        context.chain.send(wires)
        context.clock.sleep(context.limits.poll_seconds)
        missing = missing_wallets(context.chain.recipients(sorted(missing)))
        if not missing or _all_final(context, [signature for signature, _ in wires]):
            return set(wallets)
        height = context.chain.finalized_height().block_height
        if height > blockhash.last_valid_block_height:
            break
    return set(wallets) - missing


def _all_final(context: Context, signatures: Sequence[str]) -> bool:
    statuses = context.chain.statuses(signatures)
    return all(s.landing is Landing.FINALIZED and s.error is None for s in statuses)
