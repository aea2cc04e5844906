"""`check_all` also checks votes and stakes, in a sound world and after changes."""

from __future__ import annotations

from bson import Int64

from tests.fakes.check.check_store import FakeCheckStore
from tests.fakes.wiki.wiki import wiki_in_memory
from tests.fakes.world import World, store_of, user_id_of
from worker.core.check.report import Area
from worker.core.wiki.governance import Choice, ProposalType
from worker.services.check.everything import check_all
from worker.services.wiki.governance import Idea, propose, vote
from worker.services.wiki.recount import recount_all
from worker.services.wiki.staking import stake


def test_votes_and_stakes_are_part_of_a_check(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.run()
    store, ada = store_of(world.first), user_id_of("user 1")
    wiki = wiki_in_memory(store, world.clock)
    recount_all(wiki)
    world.clock.sleep(3600)
    stake(wiki, ada, 100, 30)
    made = propose(wiki, Idea("More images", ada, ProposalType.FEATURE_REQUEST))
    vote(wiki, made.id, ada, Choice.FOR)

    sound = check_all(wiki, FakeCheckStore(store), world.first)

    assert sound.findings == []
    looked_at = sound.looked_at
    assert (looked_at["stakes"], looked_at["proposals"], looked_at["votes"]) == (1, 1, 1)
    assert looked_at["voting powers"] == 3
    store.state.votes[made.id, ada]["weight_base_units"] = Int64(1)
    store.state.stakes[0]["amount"] = 1.0

    areas = [each.area for each in check_all(wiki, FakeCheckStore(store), None).findings]

    assert areas == [Area.STAKES, Area.GOVERNANCE, Area.GOVERNANCE]
