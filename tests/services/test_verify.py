"""A published week is verified by a stranger, and what does not hold is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from tests.fakes.bundle import MemoryBundle, with_payout
from tests.fakes.chain import wallet_named
from tests.fakes.public_chain import FakePublicChain
from tests.fakes.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, store_of, user_id_of
from worker.core.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.commitment import Row
from worker.core.findings import Outcome
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.receipts import ReceiptState, Resolution, single_id
from worker.core.records import Intent, Transfer
from worker.core.week import Week
from worker.services.context import Context
from worker.services.operate import redirect_reward
from worker.services.publish import Published, publish_week
from worker.services.seal import NotAnchored
from worker.services.verify import Verification, verify_files, verify_on_chain
from worker.services.work import Job, find_work


def publish(context: Context, week: Week = WEEK) -> tuple[MemoryBundle, Published]:
    bundle = MemoryBundle()
    return bundle, publish_week(context, week, bundle)


def closed(world: World, users: int = 7) -> MemoryBundle:
    """A closed week of three batches and one held reward, published."""
    world.populate(users)
    world.add_user("ghost", wallet=None)
    world.contribute("ghost", 300)
    world.genesis()
    world.run()
    world.ledger.finalize()
    return publish(world.first)[0]


def stranger(world: World) -> FakePublicChain:
    return FakePublicChain(world.ledger, chain_of(world.first).public_addresses)


def verify(
    world: World, bundle: MemoryBundle, chain: FakePublicChain | None = None
) -> Verification:
    verified = verify_files(bundle)
    verify_on_chain(verified, bundle, chain or stranger(world))
    return verified


def text_of(verified: Verification) -> str:
    return "\n".join(map(str, verified.findings))


def send(world: World, intent: Intent) -> str:
    """Sign and send as somebody who has the keys and does not follow the protocol."""
    chain = chain_of(world.first)
    (signed,) = chain.sign([intent], chain.latest_blockhash())
    chain.send([(signed.signature, signed.wire)])
    world.ledger.finalize()
    return signed.signature


def rows_of(bundle: MemoryBundle) -> list[Row]:
    return [Row.parse(line[:-1]) for line in list(bundle.lines(PLAN_FILE))[1:]]


# --- what holds --------------------------------------------------------------------------------


def test_a_closed_week_is_verified_by_a_stranger(world: World) -> None:
    bundle = closed(world)
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert verified.payments == 3
    assert verified.open == 1  # the held reward
    assert verified.verdict().startswith("VERIFIED: 2024-W50, 8 rewards of 10,000 KONTRIB")


def test_the_files_alone_are_verified_without_any_chain(world: World) -> None:
    verified = verify_files(closed(world))
    assert verified.outcome is Outcome.OK
    assert "--rpc URL" in verified.verdict()


def test_two_operators_publish_the_same_bytes(world: World) -> None:
    second = world.add_operator()
    bundle = closed(world)
    world.run(second)
    assert publish(second)[0].files == bundle.files
    assert publish(world.first)[0].files == bundle.files


def test_a_bundle_names_nobody(world: World) -> None:
    content = b"".join(closed(world).files.values())
    for name in [*(f"user {i}" for i in range(7)), "ghost"]:
        assert name.encode() not in content
        assert user_id_of(name).encode() not in content


def test_an_empty_week_is_verified(world: World) -> None:
    world.genesis()
    world.run()
    world.ledger.finalize()
    bundle, published = publish(world.first)
    assert published.rewards == 0
    assert verify(world, bundle).outcome is Outcome.OK


def test_an_open_week_is_published_and_verified_as_far_as_it_is_paid(world: World) -> None:
    world.populate(7)
    world.genesis()
    _run_until_anchored(world)
    bundle, published = publish(world.first)
    assert (published.paid, published.open) == (0, 3)
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert verified.open == 7
    world.run()
    world.ledger.finalize()
    later = verify(world, bundle)
    assert later.outcome is Outcome.OK
    assert (later.open, later.payments) == (0, 3)
    notes = [note for check in later.checks for note in check.notes]
    assert "2024-12-09/00000: paid since the bundle was published" in notes


def _run_until_anchored(world: World) -> None:
    for _ in range(20):
        (work, *_rest) = find_work(world.first)
        if work.job in (Job.ACCOUNTS, Job.PAY):
            break
        world.do(world.first, work)
    world.ledger.finalize()


def test_nothing_is_published_before_the_anchor_is_final(world: World) -> None:
    world.populate(3)
    world.genesis()
    world.do(world.first, find_work(world.first)[0])
    with pytest.raises(NotAnchored):
        publish(world.first)


def test_void_batches_and_rewards_paid_alone_are_verified(world: World) -> None:
    bundle = _with_a_void_batch(world)
    lines = [PayoutLine.parse(line[:-1], "") for line in bundle.lines(PAYOUTS_FILE)]
    assert [line.state for line in lines[:2]].count(ReceiptState.VOID) == 1
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.OK, text_of(verified)


def _with_a_void_batch(world: World) -> MemoryBundle:
    """One recipient's account is frozen after planning; the two others of the batch are paid."""
    names = world.populate(6)
    world.genesis()
    _run_until_anchored(world)
    world.ledger.change_token_account(token_address(wallet_named(names[0])), frozen=True)
    world.ledger.finalize()
    world.run()
    world.ledger.finalize()
    return publish(world.first)[0]


def test_a_redirected_reward_is_visible(world: World) -> None:
    _with_a_void_batch(world)
    world.open_account("new wallet")
    redirect_reward(world.first, WEEK, user_id_of("user 0"), wallet_named("new wallet"))
    world.first.store.requeue(WEEK, world.clock.now())
    world.run()
    world.ledger.finalize()
    verified = verify(world, publish(world.first)[0])
    assert verified.outcome is Outcome.OK, text_of(verified)
    notes = " ".join(note for check in verified.checks for note in check.notes)
    assert f"redirected it from {wallet_named('user 0')} to {wallet_named('new wallet')}" in notes


def test_a_held_reward_that_was_paid_later_is_verified(world: World) -> None:
    closed(world)
    world.open_account("ghost")
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    world.clock.sleep(7 * 3600)
    world.run()
    world.ledger.finalize()
    bundle, published = publish(world.first)
    assert published.alone == 1
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert (verified.open, verified.paid) == (0, 10_000 * ONE_TOKEN)


def test_the_weeks_before_and_after_explain_each_other(world: World) -> None:
    names = world.populate(5)
    for name in names:
        world.contribute(name, 40, week=WEEK.next())
    world.genesis()
    world.clock.sleep(7 * 24 * 3600)
    world.run()
    world.ledger.finalize()
    for week in (WEEK, WEEK.next()):
        verified = verify(world, publish(world.first, week)[0])
        assert verified.outcome is Outcome.OK, text_of(verified)


# --- what the chain contradicts ----------------------------------------------------------------


def forged(bundle: MemoryBundle, **changes: Any) -> MemoryBundle:
    manifest = replace(Manifest.parse(bundle.manifest()), **changes)
    bundle.files[MANIFEST_FILE] = manifest.canonical() + b"\n"
    return bundle


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster_genesis": "AnotherCluster"},
        {"receipt_key": "another key"},
        {"anchor_signature": "another"},
        {"anchor_slot": 1},
        {"source_account": "another account"},
    ],
)
def test_a_manifest_that_was_forged_is_found_by_the_chain(
    world: World, changes: dict[str, Any]
) -> None:
    bundle = forged(closed(world), **changes)
    assert verify_files(bundle).outcome is Outcome.OK
    manifest = Manifest.parse(bundle.manifest())
    addresses = replace(
        chain_of(world.first).public_addresses,
        receipt_key=manifest.receipt_key,
        source_account=manifest.source_account,
    )
    verified = verify(world, bundle, FakePublicChain(world.ledger, addresses))
    assert verified.outcome is not Outcome.OK
    assert verified.findings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"signature": "sigother"}, "the signature is sigother"),
        ({"slot": 7}, "the slot is 7"),
        (
            {"state": ReceiptState.VOID, "amount": BaseUnits(0)},
            "is paid on chain, and void in the bundle",
        ),
    ],
)
def test_a_payout_that_was_forged_is_named(
    world: World, changes: dict[str, Any], named: str
) -> None:
    bundle = with_payout(closed(world), 1, lambda line: replace(line, **changes))
    assert f"2024-12-09/00001: {named}" in text_of(verify(world, bundle))


def test_a_wallet_of_a_single_that_was_forged_is_named(world: World) -> None:
    bundle = _with_a_void_batch(world)
    last = len(list(bundle.lines(PAYOUTS_FILE))) - 1
    bundle = with_payout(bundle, last, lambda line: replace(line, wallet=wallet_named("thief")))
    assert wallet_named("thief") in text_of(verify(world, bundle))


def test_a_batch_that_the_bundle_calls_paid_and_the_chain_does_not_is_named(world: World) -> None:
    world.populate(7)
    world.genesis()
    _run_until_anchored(world)
    bundle, _ = publish(world.first)
    amount = BaseUnits(sum(row.amount for row in rows_of(bundle)[:3]))
    paid = with_payout(
        bundle,
        0,
        lambda line: replace(line, state=ReceiptState.PAID, signature="sig", slot=1, amount=amount),
    )
    text = text_of(verify(world, paid))
    assert "2024-12-09/00000: is free on chain, and paid in the bundle" in text


def test_other_amounts_than_planned_are_named_by_wallet(world: World) -> None:
    world.populate(3)
    world.genesis()
    _run_until_anchored(world)
    row = rows_of(publish(world.first)[0])[0]
    batch = Intent(
        receipts=("2024-12-09/00000",),
        resolution=Resolution.PAID,
        transfers=(Transfer(row.wallet, BaseUnits(row.amount + 1)),),
        memo="2024-12-09/00000",
    )
    send(world, batch)
    text = text_of(verify(world, publish(world.first)[0]))
    assert f"moved {row.amount + 1} to {row.wallet}, and the plan says {row.amount}" in text


def test_a_void_that_moved_tokens_is_named(world: World) -> None:
    world.populate(3)
    world.genesis()
    _run_until_anchored(world)
    row = rows_of(publish(world.first)[0])[0]
    void = Intent(
        receipts=("2024-12-09/00000",),
        resolution=Resolution.VOID,
        transfers=(Transfer(row.wallet, row.amount),),
        memo="2024-12-09/00000",
    )
    send(world, void)
    assert "and the plan says 0" in text_of(verify(world, publish(world.first)[0]))


def test_a_reward_that_was_paid_twice_is_named(world: World) -> None:
    bundle = closed(world)
    row = rows_of(bundle)[0]
    alone = single_id(WEEK, row.user)
    send(
        world,
        Intent(
            receipts=(alone,),
            resolution=Resolution.PAID,
            transfers=(Transfer(row.wallet, row.amount),),
            memo=alone,
        ),
    )
    assert f"{alone}: was paid alone although its batch is paid: paid twice" in text_of(
        verify(world, bundle)
    )


@pytest.mark.parametrize(
    ("memo", "receipts", "named"),
    [
        ("", (), "it names no payment of ours"),
        ("2024-12-09/00099", ("2024-12-09/00099",), "which the plan does not have"),
        ("2030-01-07/00000", ("2030-01-07/00000",), "2030-01-07 is not anchored"),
        ("2024-12-16/00000", (), "did not make its receipt"),
        ("2024-12-10/00000", (), "it names no payment of ours"),
        ("2024-12-16/00099", ("2024-12-16/00099",), "the anchored plan of 2024-12-16 does not"),
    ],
)
def test_tokens_that_left_the_treasury_unexplained_are_named(
    world: World, memo: str, receipts: tuple[str, ...], named: str
) -> None:
    world.add_user("insider")
    names = world.populate(5)
    for name in names:
        world.contribute(name, 40, week=WEEK.next())
    world.genesis()
    _run_until_anchored(world)
    stolen = (Transfer(wallet_named("insider"), BaseUnits(5 * ONE_TOKEN)),)
    signature = send(world, Intent(receipts, Resolution.PAID, stolen, memo))
    world.clock.sleep(7 * 24 * 3600)
    world.run()
    world.ledger.finalize()
    text = text_of(verify(world, publish(world.first)[0]))
    assert f"{signature}: 5 KONTRIB left the source account" in text
    assert named in text


def test_without_history_nothing_is_called_wrong_and_nothing_proven(world: World) -> None:
    bundle, chain = closed(world), stranger(world)
    chain.has_history = False
    verified = verify(world, bundle, chain)
    assert verified.outcome is Outcome.UNPROVEN
    assert verified.verdict().startswith("NOT PROVEN: 2024-W50")


def test_an_endpoint_that_is_behind_proves_nothing(world: World) -> None:
    bundle, chain = closed(world), stranger(world)
    chain.endpoints[0].down = True
    with pytest.raises(Exception, match="no endpoint answers"):
        verify(world, bundle, chain)


def test_a_plan_that_cannot_be_read_is_compared_with_no_chain(world: World) -> None:
    bundle = closed(world)
    bundle.files[PLAN_FILE] = b"{}\n"
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.WRONG
    assert "cannot be compared" in text_of(verified)
