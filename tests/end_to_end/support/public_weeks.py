"""Three paid and published weeks on a real chain, for tests of public verification.

In 2024-W49 a frozen account voided a batch, and its rewards were paid alone. One reward is still
held, and another was held until 2024-W50. 2024-W50 is an ordinary week. In 2024-W51 somebody with
the key took tokens three times: without a receipt, under an id outside W49's plan, and under two
ids at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bson import ObjectId
from solders.keypair import Keypair

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.contracts.chain.local_chain import local_chain
from tests.end_to_end.support import wiki
from tests.fakes.store.store import FakeStore
from tests.fakes.world import MemoryArchive
from worker.adapters.bundle_folder import BundleFolderWriter
from worker.adapters.clock import SystemClock
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.adapters.solana.chain import SolanaChain
from worker.adapters.solana.signing.keys import read_address
from worker.core.lifecycle import Stage
from worker.core.money import ONE_TOKEN, BaseUnits
from worker.core.payout.chain import Intent, Transfer
from worker.core.plan.commitment import Row
from worker.core.plan.receipts import Resolution, single_id
from worker.core.week import Week
from worker.services.context import Context, Limits
from worker.services.plan.genesis import make_genesis
from worker.services.proof.publish_bundle import publish_week
from worker.services.week.due import find_work
from worker.services.week.run import do_work
from worker.services.week.story import Job

WEEKS = [Week.parse(f"2024-W{number}") for number in (49, 50, 51)]
USERS = 130
HELD_USER = USERS
HELD_USER_PAID_LATER = USERS + 1
FROZEN_USER = 7
STOLEN = 5 * ONE_TOKEN
INVENTED_ID = single_id(WEEKS[0], bytes.fromhex("ab" * 32))
SECONDS_A_JOB = 60
SECONDS_IDLE = 6
"""Longer than the pause before a payment is tried again."""


@dataclass(slots=True)
class PublicWeeks:
    """The place of the bundles, and facts about the world behind them."""

    url: str
    folder: Path
    context: Context
    bundles: dict[Week, Path] = field(default_factory=dict)
    paid_later: str = ""
    """Signature of the payment for the first week that was made during the second week."""
    paid_later_id: str = ""
    theft: str = ""
    """Signature of the theft without a receipt in the last week."""
    invented: str = ""
    """Signature of the theft under `INVENTED_ID` in the last week."""
    shared_id: str = ""
    """A reward of the last week. Its transaction made a second receipt and names that receipt."""


@contextmanager
def public_weeks(folder: Path) -> Iterator[PublicWeeks]:
    """Run a separate chain, and yield its published weeks."""
    with local_chain(folder / "chain.log") as url:
        settings = chain_setup.prepare(folder / "state", url)
        key = chain_setup.load_or_create_key(Path(settings["SOLANA_PRIVATE_KEY_FILE"]))
        mint = settings["TOKEN_MINT_ADDRESS"]
        chain = SolanaChain([url], mint, key, key, key, None, timeout_seconds=10)
        context = Context(
            store=_store(),
            chain=chain,
            archive=MemoryArchive(),
            clock=SystemClock(WEEKS[-1].end + timedelta(hours=1) - datetime.now(UTC)),
            limits=Limits(poll_seconds=0.1, backoff_scale=0.01),
        )
        world = PublicWeeks(url, folder, context)
        _pay_and_publish(world, key, mint)
        yield world
        chain.close()


def _store() -> FakeStore:
    """Everyone contributes in every week; two users have no wallet."""
    store = FakeStore()
    for number in range(USERS + 2):
        wallet = {} if number >= HELD_USER else {"wallet_address": wiki.wallet(number)}
        store.add_user({"_id": wiki.user_id(number)} | wallet)
        for index, week in enumerate(WEEKS):
            serial = index * (USERS + 2) + number
            store.add_contribution(wiki.contribution(serial, number, week))
    return store


def _pay_and_publish(world: PublicWeeks, key: Keypair, mint: str) -> None:
    context = world.context
    make_genesis(context, WEEKS[0])
    _work(context, WEEKS[0], until=Job.PAY)
    wallet = wiki.wallet(FROZEN_USER)
    account = associated_account(wallet, read_address("mint", mint), TOKEN_PROGRAM)
    with ChainClient(world.url) as client:
        client.call("local_freezeTokenAccount", str(account))
    _work(context, WEEKS[0])
    with ChainClient(world.url) as client:
        client.call("local_freezeTokenAccount", str(account), False)
    _work(context, WEEKS[1], until=Job.PAY)
    late = _held_row(context, WEEKS[0], HELD_USER_PAID_LATER)
    world.paid_later_id = single_id(WEEKS[0], late.user)
    ids = (world.paid_later_id,)
    world.paid_later = _send(context, ids, late.amount, world.paid_later_id)
    _work(context, WEEKS[1])
    _work(context, WEEKS[2], until=Job.PAY)
    world.theft = _send(context, (), STOLEN, "consulting")
    world.invented = _send(context, (INVENTED_ID,), STOLEN, INVENTED_ID)
    _work(context, WEEKS[2])
    held = _held_row(context, WEEKS[2], HELD_USER)
    world.shared_id, other_id = (single_id(WEEKS[2], user) for user in (held.user, bytes(32)))
    _send(context, (other_id, world.shared_id), held.amount, other_id)
    for week in WEEKS:
        writer = BundleFolderWriter(world.folder / "bundles", week)
        world.bundles[week] = Path(publish_week(context, week, writer).location)


def _work(context: Context, week: Week, *, until: Job | None = None) -> None:
    """Do a week's due work.

    Stop when the week is closed, when nothing has been due for some seconds, or before the given
    job.
    """
    idle_since = time.monotonic()
    while not _is_closed(context, week) and time.monotonic() - idle_since < SECONDS_IDLE:
        work = find_work(context, only=week)
        mine = [item for item in work if item.week == week] or work
        if not mine:
            context.clock.sleep(0.1)
            continue
        if until is not None and mine[0].job is until:
            return
        do_work(context, mine[0], seconds=SECONDS_A_JOB)
        idle_since = time.monotonic()


def _is_closed(context: Context, week: Week) -> bool:
    distribution = context.store.distribution(week)
    return distribution is not None and distribution.stage is Stage.COMPLETED


def _held_row(context: Context, week: Week, user: int) -> Row:
    reward = context.store.reward(week, user_id(user))
    assert reward is not None
    return reward.row


def _send(context: Context, receipts: tuple[str, ...], amount: int, memo: str) -> str:
    """Take tokens out of the treasury, as only a holder of the key can."""
    chain = context.chain
    transfer = Transfer(wiki.wallet(0), BaseUnits(amount))
    intent = Intent(receipts, Resolution.PAID, (transfer,), memo)
    (signed,) = chain.sign([intent], chain.latest_blockhash())
    chain.send([(signed.signature, signed.wire)])
    while chain.statuses([signed.signature])[0].landing.value != "finalized":
        context.clock.sleep(0.1)
    return signed.signature


def user_id(number: int) -> str:
    """A user's id as an operator writes it."""
    return str(ObjectId(wiki.user_id(number)))
