"""Weeks through one endpoint that lags or has the limits of a plan, from approval to close."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.chain.rpc.conditions import Conditions
from deploy.local.stack import LocalStack
from tests.chaos.records import incomplete_rewards
from tests.chaos.world import World, world

pytestmark = pytest.mark.real

USERS = 171
CONDITIONS = {
    "its history is 3 blocks late": Conditions(
        lag_blocks={"getTransaction": 3, "getSignaturesForAddress": 3, "getBlockTime": 3}
    ),
    "its accounts are 2 blocks late": Conditions(
        lag_blocks={"getAccountInfo": 2, "getMultipleAccounts": 2}
    ),
    "its heights and statuses are 8 blocks late": Conditions(
        lag_blocks={"getBlockHeight": 8, "getEpochInfo": 8, "getSlot": 8, "getSignatureStatuses": 8}
    ),
    "each request meets a node up to 8 blocks late": Conditions(
        lag_blocks={"*": list(range(9))}, seed=1
    ),
    "its plan allows 5 accounts a call and no batches": Conditions(
        max_items={"getMultipleAccounts": 5, "getSignatureStatuses": 5}, batches_refusal=403
    ),
    "it answers 413 to more than 5 accounts": Conditions(
        max_items={"getMultipleAccounts": 5}, items_refusal=413
    ),
    "it answers 403 beyond 40 calls a second": Conditions(calls_per_second=40, rate_refusal=403),
}


@pytest.fixture(scope="module")
def one_endpoint(
    local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("conditions")
    with world(local_stack, folder, weeks=len(CONDITIONS), users=USERS, by_approval=True) as made:
        made.cluster.start_worker(concurrency=2)
        made.cluster.start_beat()
        yield made


@pytest.mark.parametrize("conditions", CONDITIONS.values(), ids=CONDITIONS)
def test_a_week_is_paid_and_recorded_although(one_endpoint: World, conditions: Conditions) -> None:
    with one_endpoint.rpc.under(conditions):
        week = one_endpoint.approve_next()
        one_endpoint.wait_until_closed(week)
        assert one_endpoint.rpc.requests

    one_endpoint.check(one_endpoint.played)
    assert incomplete_rewards(one_endpoint, week) == []
