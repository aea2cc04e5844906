"""What a user sees of the running week is what the plan of the week will say."""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId

from tests.fakes.check.check_store import FakeViews
from tests.fakes.documents import stake_document
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import WEEK, World, store_of, user_id_of
from worker.core.money import ONE_TOKEN
from worker.services.plan.plan_week import plan_week
from worker.services.wiki.dashboard import dashboard, record_running_week


def test_an_estimate_follows_the_rules_of_the_plan() -> None:
    """Whatever the rules, the estimate in the week is the reward of the week, to one base unit."""
    world = World(now=WEEK.end - timedelta(hours=1))
    store = store_of(world.first)
    wiki = wiki_in_memory(store, world.clock)
    rules = {"min_tokens_per_user": 900.0, "staking_bonus": "on_top"}
    store.set_rules(**rules, eligibility=[{"field": "groups", "not_in": ["bot"]}])
    names = ["ada", "small", "bot", "held"]
    for name in names:
        world.add_user(name, wallet="alice.sol" if name == "held" else "own")
    store.set_user_fields(ObjectId(user_id_of("bot")), groups=["bot"])
    document = stake_document(user_id_of("ada"), WEEK.start - timedelta(days=1), multiplier=1.3)
    store.add_stake(document)
    for name, points in zip((*names, "stranger"), (200, 10, 400, 100, 300), strict=True):
        world.contribute(name, points)
    world.genesis()
    record_running_week(wiki)
    views = FakeViews(store)
    found = {name: dashboard(wiki, views, user_id_of(name)) for name in names}
    world.clock.sleep(2 * 3600)
    plan_week(world.first, WEEK)

    for name in ("ada", "small", "held"):
        reward, estimate = store.reward(WEEK, user_id_of(name)), found[name].estimate
        assert reward is not None
        assert estimate is not None
        assert abs(reward.row.amount - estimate) <= 1
        assert found[name].held == (reward.reason or "")
    assert found["small"].estimate == 900 * ONE_TOKEN
    assert found["held"].held.endswith("it is a name, not an address")
    assert (found["bot"].estimate, found["bot"].left_out) == (None, "not eligible: groups")
    assert store.reward(WEEK, user_id_of("bot")) is None
