"""The facts that every paid reward of a closed week has in the database."""

from __future__ import annotations

from typing import Any

from tests.chaos.world import World
from worker.core.week import Week


def incomplete_rewards(world: World, week: Week) -> list[Any]:
    """The week's rewards that lack their completion, signature, slot or date."""
    plan_id = world.known(week).plan_id
    rewards = list(world.cluster.database.token_rewards.find({"plan_id": plan_id}))
    assert len(rewards) == len(world.wallets)
    facts = ("transaction_signature", "slot", "claimed_at")
    return [
        reward
        for reward in rewards
        if reward["status"] != "completed" or any(reward[fact] is None for fact in facts)
    ]
