"""An open vote, and the findings of a check on its documents."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from tests.contracts.check.test_check_contract import Ports
from tests.contracts.paid_weeks import pay_week
from tests.contracts.raw_documents import RawDocuments
from tests.contracts.wiki.wiki_worlds import ADA, BOB, WikiWorld
from worker.adapters.mongo import names
from worker.core.check.report import Area, CheckReport
from worker.core.money import ONE_TOKEN
from worker.core.wiki.governance import (
    CLOSE_GRACE,
    Choice,
    Proposal,
    ProposalStatus,
    ProposalType,
)
from worker.ports.check import CheckStore
from worker.services.check.governance import check_governance
from worker.services.wiki.governance import Idea, get_proposal, propose, vote
from worker.services.wiki.governance_clock import keep_governance

PROPOSALS = names.GOVERNANCE_PROPOSALS
VOTES = names.GOVERNANCE_VOTES
SNAPSHOTS = names.GOVERNANCE_SNAPSHOTS
ADAS, BOBS = 25_000 * ONE_TOKEN, 8_000 * ONE_TOKEN
RAISE = Idea(
    "Raise the pool to 15,000",
    ADA,
    ProposalType.PARAMETER_CHANGE,
    parameter="weekly_token_pool",
    value=15000,
)
FEATURE = Idea("More images", BOB, ProposalType.FEATURE_REQUEST)
S = ProposalStatus


class Town:
    """Ada with a voting power of 25,000 and Bob with 8,000 vote on an open proposal."""

    def __init__(self, world: WikiWorld) -> None:
        self.world, self.wiki, self.raw = world, world.wiki, RawDocuments(world)
        self.store: CheckStore = Ports(world).check
        pay_week(world.base.store, {ADA: ADAS, BOB: BOBS})
        world.clock.sleep(3600)
        self.proposal = propose(self.wiki, RAISE)
        vote(self.wiki, self.proposal.id, ADA, Choice.FOR)
        vote(self.wiki, self.proposal.id, BOB, Choice.AGAINST)

    @property
    def key(self) -> dict[str, Any]:
        return {"_id": ObjectId(self.proposal.id)}

    def of(self, user_id: str) -> dict[str, Any]:
        return {"proposal_id": self.proposal.id, "user_id": user_id}

    def close(self) -> Proposal:
        self.world.clock.moment = self.proposal.voting_end + CLOSE_GRACE
        keep_governance(self.wiki)
        return get_proposal(self.wiki, self.proposal.id)

    def differences(self) -> dict[str, str]:
        """The found and the expected value by subject, without the proposal's id."""
        report = CheckReport()
        check_governance(self.wiki, self.store, report)
        assert {each.area for each in report.findings} <= {Area.GOVERNANCE}
        found = {
            each.subject.removeprefix(f"proposal {self.proposal.id}").removeprefix(", "): (
                f"{each.found} / {each.expected}"
            )
            for each in report.findings
        }
        assert len(found) == len(report.findings)
        return found
