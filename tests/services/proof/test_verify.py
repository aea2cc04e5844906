"""A stranger verifies a published week, and the verifier names every contradiction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from tests.fakes.bundle import MemoryBundle, with_payout
from tests.fakes.chain.chain import FakeChain, wallet_named
from tests.fakes.chain.public_chain import FakePublicChain
from tests.fakes.chain.transactions import token_address
from tests.fakes.world import WEEK, World, chain_of, sign_and_send, store_of, user_id_of
from worker.core.findings import Check, Outcome
from worker.core.money import ONE_TOKEN, BaseUnits, tokens_text
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.commitment import Header, Row
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import ReceiptState, Resolution, anchor_ids, single_id
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week
from worker.ports.payout import Outflow
from worker.services.context import Context
from worker.services.payout.override import redirect_reward
from worker.services.plan.seal import NotAnchored
from worker.services.proof.publish_bundle import Published, publish_week
from worker.services.proof.verify_bundle import Verification, verify_bundle, verify_on_chain
from worker.services.proof.verify_other_weeks import verify_other_week
from worker.services.week.due import find_work
from worker.services.week.story import Job

INVENTED = single_id(WEEK, bytes.fromhex("ab" * 32))


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
    verified = verify_bundle(bundle)
    verify_on_chain(verified, bundle, chain or stranger(world))
    return verified


def text_of(verified: Verification) -> str:
    return "\n".join(map(str, verified.findings))


def rows_of(bundle: MemoryBundle) -> list[Row]:
    return [Row.parse(line[:-1]) for line in list(bundle.lines(PLAN_FILE))[1:]]


# --- sound bundles -----------------------------------------------------------------------------


def test_a_closed_week_is_verified_by_a_stranger(world: World) -> None:
    bundle = closed(world)
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert verified.payments == 3
    assert verified.open == 1  # the held reward
    assert verified.sentence().startswith("VERIFIED: 2024-W50, 8 rewards of 10,000 KONTRIB")


def test_the_files_alone_are_verified_without_any_chain(world: World) -> None:
    verified = verify_bundle(closed(world))
    assert verified.outcome is Outcome.OK
    assert "--rpc URL" in verified.sentence()


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
    world.first.store.requeue(WEEK)
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


def test_a_bundle_names_the_account_that_paid_whichever_pays_today(world: World) -> None:
    bundle = closed(world)
    chain = FakeChain(
        world.ledger,
        authority="new authority",
        receipt_key="authority",
        fee_payer="authority",
        transfers_per_transaction=3,
    )
    chain.fund(tokens=ONE_TOKEN, lamports=ONE_TOKEN)
    world.ledger.finalize()
    assert publish(replace(world.first, chain=chain))[0].files == bundle.files


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


# --- payments of other weeks -------------------------------------------------------------------


def a_week_later(world: World) -> None:
    """Run `send` within the next week's period.

    Then close that week, and anchor the week after it.
    """
    world.contribute("user 0", 40, week=WEEK.next())
    world.clock.sleep(7 * 24 * 3600)
    world.run()
    world.ledger.finalize()


def the_week_after(world: World) -> tuple[MemoryBundle, MemoryBundle]:
    """The bundles of the week and of the next week, whose period has ended."""
    world.contribute("user 0", 40, week=WEEK.next().next())
    world.clock.sleep(7 * 24 * 3600)
    # Only that week runs: other weeks stop when their workers see the forged payments.
    while work := find_work(world.first, only=WEEK.next().next()):
        world.do(world.first, work[0])
    world.ledger.finalize()
    return publish(world.first, WEEK)[0], publish(world.first, WEEK.next())[0]


def paid_alone(receipt: str, wallet: str, amount: int) -> Intent:
    transfer = Transfer(wallet, BaseUnits(amount))
    return Intent((receipt,), Resolution.PAID, (transfer,), memo=receipt)


def held_and_paid_later(world: World, *, more: int = 0) -> tuple[str, MemoryBundle, MemoryBundle]:
    """Pay a held reward a week later, and return the payment and both weeks' bundles."""
    row = next(row for row in rows_of(closed(world)) if not row.batch)
    a_week_later(world)
    world.open_account("ghost")
    receipt, wallet = single_id(WEEK, row.user), wallet_named("ghost")
    signature = sign_and_send(world, paid_alone(receipt, wallet, row.amount + more))
    return signature, *the_week_after(world)


def test_a_held_reward_paid_in_a_later_week_is_explained_by_its_own_weeks_bundle(
    world: World,
) -> None:
    _, week, later = held_and_paid_later(world)
    later.siblings[WEEK] = week
    verified = verify(world, later)
    assert verified.outcome is Outcome.OK, text_of(verified)
    assert "1 of other weeks" in verified.checks[-1].detail
    assert verify(world, week).outcome is Outcome.OK


def test_without_that_bundle_a_payment_of_another_week_is_not_proven(world: World) -> None:
    signature, week, later = held_and_paid_later(world)
    amount = tokens_text(next(row for row in rows_of(week) if not row.batch).amount)
    verified = verify(world, later)
    assert verified.outcome is Outcome.UNPROVEN
    assert f"{signature}: {amount} KONTRIB left the source account" in text_of(verified)
    assert "only the plan of 2024-W50 explains it, and its bundle is not beside" in text_of(
        verified
    )


def test_another_amount_than_its_own_week_planned_is_named(world: World) -> None:
    signature, week, later = held_and_paid_later(world, more=1)
    later.siblings[WEEK] = week
    verified = verify(world, later)
    assert verified.outcome is Outcome.WRONG
    assert f"{signature}: " in text_of(verified)
    assert "KONTRIB by the plan of 2024-12-09" in text_of(verified)


@pytest.mark.parametrize("receipt", [INVENTED, "2024-12-09/00003"])
def test_tokens_taken_under_an_id_that_another_week_does_not_have_are_named(
    world: World, receipt: str
) -> None:
    closed(world)
    a_week_later(world)
    world.open_account("thief")
    signature = sign_and_send(world, paid_alone(receipt, wallet_named("thief"), 5_000 * ONE_TOKEN))
    week, later = the_week_after(world)
    named = f"{signature}: 5,000 KONTRIB left the source account"
    alone = verify(world, later)
    assert alone.outcome is Outcome.UNPROVEN
    assert named in text_of(alone)
    later.siblings[WEEK] = week
    beside = verify(world, later)
    assert beside.outcome is Outcome.WRONG
    assert f"it names {receipt}, which the plan of 2024-12-09 does not have" in text_of(beside)
    assert named in text_of(beside)


def another_plan(bundle: MemoryBundle) -> MemoryBundle:
    """A consistent bundle of the same week, with a plan that was never anchored."""
    other = World(batch_size=3)
    found = closed(other, users=5)
    assert found.files != bundle.files
    return found


def damaged(bundle: MemoryBundle) -> MemoryBundle:
    bundle.files[PLAN_FILE] = bundle.files[PLAN_FILE].replace(b'"points":"', b'"points":"1', 1)
    return bundle


def torn(bundle: MemoryBundle) -> MemoryBundle:
    """A damaged bundle of the anchored plan."""
    bundle.files[MANIFEST_FILE] = b"{}\n"
    return bundle


@pytest.mark.parametrize("change", [another_plan, damaged, torn])
def test_a_bundle_beside_it_counts_only_if_it_holds_and_is_anchored(
    world: World, change: Callable[[MemoryBundle], MemoryBundle]
) -> None:
    _, week, later = held_and_paid_later(world)
    later.siblings[WEEK] = change(week)
    verified = verify(world, later)
    assert verified.outcome is Outcome.UNPROVEN
    assert "its bundle beside this one does not hold" in text_of(verified)


def test_a_bundle_of_yet_another_week_beside_it_explains_nothing(world: World) -> None:
    bundle, other = closed(world), WEEK.next()
    root, row = Manifest.parse(bundle.manifest()).root, rows_of(bundle)[0]
    header = Header.parse(next(bundle.lines(PLAN_FILE)).removesuffix(b"\n"))
    memo = AnchorMemo.of(header, root).text()
    sign_and_send(world, Intent(anchor_ids(other, root), Resolution.PAID, memo=memo))
    claimed = Outflow("signature", 1, single_id(other, row.user), row.amount)
    check = Check("treasury")
    assert verify_other_week(stranger(world), bundle, other, [claimed], check) == 0
    assert check.outcome is Outcome.UNPROVEN


def test_a_payment_that_did_not_make_the_receipt_it_names_is_named(world: World) -> None:
    row = next(row for row in rows_of(closed(world)) if not row.batch)
    a_week_later(world)
    world.open_account("thief")
    stolen = paid_alone(single_id(WEEK, row.user), wallet_named("thief"), row.amount)
    sign_and_send(world, replace(stolen, receipts=()))
    week, later = the_week_after(world)
    later.siblings[WEEK] = week
    assert "and did not make its receipt" in text_of(verify(world, later))


# --- contradictions of the chain ---------------------------------------------------------------


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
    assert verify_bundle(bundle).outcome is Outcome.OK
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
            "its receipt is paid on chain, expected void (as in the bundle)",
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
    named = "its receipt is free on chain, expected paid (as in the bundle)"
    assert f"2024-12-09/00000: {named}" in text


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
    sign_and_send(world, batch)
    text = text_of(verify(world, publish(world.first)[0]))
    assert f"moved {row.amount + 1} to {row.wallet}, expected {row.amount}" in text


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
    sign_and_send(world, void)
    assert f"to {row.wallet}, expected 0" in text_of(verify(world, publish(world.first)[0]))


def test_a_reward_that_was_paid_twice_is_named(world: World) -> None:
    bundle = closed(world)
    row = rows_of(bundle)[0]
    alone = single_id(WEEK, row.user)
    sign_and_send(
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


@pytest.mark.parametrize("is_listed", [True, False])
def test_one_transaction_that_stands_for_several_rewards_is_named(
    world: World, is_listed: bool
) -> None:
    for name in ("one", "two", "three", "four"):
        world.add_user(name, wallet=None)
        world.contribute(name, 300)
    world.genesis()
    world.run()
    world.ledger.finalize()
    bundle, _ = publish(world.first)
    rows = rows_of(bundle)
    ids = tuple(single_id(WEEK, row.user) for row in rows)
    world.open_account("one")
    once = paid_alone(ids[0], wallet_named("one"), rows[0].amount)
    sign_and_send(world, replace(once, receipts=ids))
    if is_listed:
        bundle, _ = publish(world.first)
        unsigned = {"signature": "", "slot": None, "wallet": ""}
        for number in range(len(ids)):
            bundle = with_payout(bundle, number, lambda line: replace(line, **unsigned))
    verified = verify(world, bundle)
    assert verified.outcome is Outcome.WRONG
    for receipt in ids[1:]:
        what = f"the memo of its transaction is {ids[0]}, expected {receipt}"
        assert f"{receipt}: {what}" in text_of(verified)


def test_one_transaction_that_voids_several_batches_is_named(world: World) -> None:
    world.populate(6)
    world.genesis()
    _run_until_anchored(world)
    ids = ("2024-12-09/00000", "2024-12-09/00001")
    sign_and_send(world, Intent(ids, Resolution.VOID, memo=ids[0]))
    text = text_of(verify(world, publish(world.first)[0]))
    assert f"{ids[1]}: the memo of its transaction is {ids[0]}" in text


def test_a_batch_that_cannot_be_read_is_not_proven_and_calls_nothing_paid_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, chain = _with_a_void_batch(world), stranger(world)
    told, batches = chain.receipts, {row.batch for row in rows_of(bundle)}

    def receipts(ids: Sequence[str]) -> dict[str, ReceiptState]:
        unknown = dict.fromkeys(batches & set(ids), ReceiptState.UNKNOWN)
        return told(ids) | unknown

    monkeypatch.setattr(chain, "receipts", receipts)
    verified = verify(world, bundle, chain)
    assert verified.outcome is Outcome.UNPROVEN, text_of(verified)
    assert "was paid alone, and 2024-12-09/0000" in text_of(verified)


def test_where_the_next_anchor_cannot_be_read_the_period_is_not_proven(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, chain = closed(world), stranger(world)
    told, following = chain.receipts, "2024-12-16/anchor"

    def receipts(ids: Sequence[str]) -> dict[str, ReceiptState]:
        return told(ids) | dict.fromkeys({following} & set(ids), ReceiptState.UNKNOWN)

    monkeypatch.setattr(chain, "receipts", receipts)
    verified = verify(world, bundle, chain)
    assert verified.outcome is Outcome.UNPROVEN
    assert f"{following}: cannot be read" in text_of(verified)


def test_payments_from_another_account_that_mention_this_one_are_not_proven(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = forged(closed(world), source_account="another account")
    addresses = replace(chain_of(world.first).public_addresses, source_account="another account")
    chain = FakePublicChain(world.ledger, addresses)
    mentions = [landed.signature for landed in world.ledger.payments()]
    monkeypatch.setattr(chain, "source_history", lambda first, last: mentions)
    monkeypatch.setattr(chain, "outflows", lambda signatures: {})
    verified = verify(world, bundle, chain)
    assert verified.outcome is Outcome.UNPROVEN
    assert "another account, or history is missing" in text_of(verified)


@pytest.mark.parametrize(
    ("memo", "receipts", "named"),
    [
        ("", (), "it names no payment of ours"),
        ("2024-12-09/00099", ("2024-12-09/00099",), "which the plan lacks, or"),
        (INVENTED, (INVENTED,), "which the plan lacks, or"),
        ("2030-01-07/00000", ("2030-01-07/00000",), "2030-01-07 was not anchored by then"),
        ("2024-12-16/00007", ("2024-12-16/00007",), "2024-12-16 was not anchored by then"),
        ("2024-12-02/00000", ("2024-12-02/00000",), "2024-12-02 was not anchored by then"),
        ("2024-12-10/00000", (), "it names no payment of ours"),
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
    signature = sign_and_send(world, Intent(receipts, Resolution.PAID, stolen, memo))
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
    assert verified.sentence().startswith("NOT PROVEN: 2024-W50")


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
