"""A week is paid with keys that no process can read: all of them are in a PKCS#11 module."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from solders.pubkey import Pubkey
from spl.token.instructions import create_idempotent_associated_token_account, mint_to
from spl.token.models import MintToParams

from deploy.local.chain import setup as chain_setup
from deploy.local.chain.client import ChainClient
from tests.end_to_end.support import wiki
from tests.end_to_end.support.balances import token_balances
from tests.end_to_end.support.cluster import Cluster
from tests.softhsm import FEES, PAYOUT, PIN, RECEIPTS, SoftHsm
from worker.adapters.mongo.schema.migrations import migrate
from worker.adapters.solana.addresses import TOKEN_PROGRAM, associated_account
from worker.core.lifecycle import PayoutStatus
from worker.core.money import ONE_TOKEN
from worker.core.week import Week
from worker.services.payout.reconcile import reconcile
from worker.services.plan.genesis import make_genesis

pytestmark = pytest.mark.real

WEEK = Week.parse("2024-W50")
POOL = 10_000 * ONE_TOKEN
USERS = 600
WRONG_PIN = "pin-of-another-token"
READS = {
    b"list": ("LRANGE", 0, -1),
    b"zset": ("ZRANGE", 0, -1),
    b"hash": ("HVALS",),
    b"set": ("SMEMBERS",),
}
"""The command that reads all values of a key, by its type. MGET reads any other."""
BODY = re.compile(r'"body": ?"([^"]*)"')
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_keys: dict[str, str]) -> SoftHsm:
    """A token with three keys that were made in it. The payout key owns a full treasury."""
    module = SoftHsm(tmp_path / "softhsm", monkeypatch)
    payout, _, fees = (module.generate(name) for name in (PAYOUT, RECEIPTS, FEES))
    owner = chain_setup.load_or_create_key(Path(own_keys["SOLANA_PRIVATE_KEY_FILE"]))
    mint = Pubkey.from_string(own_keys["TOKEN_MINT_ADDRESS"])
    supply = MintToParams(
        program_id=TOKEN_PROGRAM,
        mint=mint,
        dest=associated_account(str(payout), mint, TOKEN_PROGRAM),
        mint_authority=owner.pubkey(),
        amount=2 * POOL,
    )
    account = create_idempotent_associated_token_account(owner.pubkey(), payout, mint)
    with ChainClient(own_keys["SOLANA_RPC_URL"]) as client:
        chain_setup.fund(client, fees, 100 * 10**9)
        chain_setup.send(client, [account, mint_to(supply)], [owner])
        chain_setup.finalize(client)
    return module


@pytest.fixture
def wrong_pin(tmp_path: Path) -> Path:
    path = tmp_path / "wrong-pin"
    path.write_text(WRONG_PIN)
    path.chmod(0o600)
    return path


@pytest.fixture
def cluster(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    module: SoftHsm,
    stack_settings: dict[str, str],
    own_keys: dict[str, str],
) -> Iterator[Cluster]:
    keys = module.settings(
        SOLANA_PRIVATE_KEY_URI=module.uri(PAYOUT),
        RECEIPT_KEY_URI=module.uri(RECEIPTS),
        FEE_PAYER_KEY_URI=module.uri(FEES),
    )
    settings = {**stack_settings, **own_keys, **keys, "BATCHES_PER_TASK": "1"}
    del settings["SOLANA_PRIVATE_KEY_FILE"]
    through = None
    if "wrong_pin" in request.fixturenames:
        through = {"PKCS11_PIN_FILE": str(request.getfixturevalue("wrong_pin"))}
    cluster = Cluster(tmp_path, settings, WEEK, through=through)
    migrate(cluster.database, lambda line: None, cluster.context.clock.now())
    wiki.add_users(cluster.database, range(USERS))
    wiki.add_contributions(cluster.database, USERS, WEEK, users=USERS)
    make_genesis(cluster.context, WEEK)
    yield cluster
    cluster.stop()


def assert_paid_exactly(cluster: Cluster) -> None:
    wallets = [wiki.wallet(i) for i in range(USERS)]
    assert reconcile(cluster.context, cluster.context.store.distribution(WEEK)).is_exact
    assert sum(token_balances(cluster.variables, wallets).values()) == POOL


def paid_batches(cluster: Cluster) -> int:
    return int(cluster.database.payout_batches.count_documents({"status": PayoutStatus.PAID.value}))


def reason(cluster: Cluster) -> str:
    distribution = cluster.context.store.distribution(WEEK)
    return (distribution and distribution.reason) or ""


def kontrib(cluster: Cluster, *arguments: str) -> str:
    """What the command says, on both of its streams."""
    done = subprocess.run(
        [Path(sys.executable).with_name("kontrib"), *arguments],
        env={**os.environ, "KONTRIB_ENV_FILE": str(cluster.folder / "env"), "COLUMNS": "400"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def texts_in(client: redis.Redis) -> Iterator[str]:
    """All values in Redis, and the bodies of Celery's messages, which their encoding would hide."""
    for key in client.scan_iter():
        command, *bounds = READS.get(client.type(key), ("MGET",))
        for value in client.execute_command(command, key, *bounds):
            text = (value or b"").decode()  # the key may be gone by now
            yield text
            yield from (base64.b64decode(body).decode() for body in BODY.findall(text))


def test_two_workers_pay_a_week_and_no_pin_appears_anywhere(
    cluster: Cluster, module: SoftHsm
) -> None:
    cluster.start_worker("one")
    cluster.start_worker("two")
    cluster.start_beat()
    messages: set[str] = set()
    with redis.Redis.from_url(cluster.settings.redis_url.get_secret_value()) as client:

        def is_closed() -> bool:
            messages.update(texts_in(client))
            return cluster.is_closed(WEEK)

        cluster.wait(is_closed, 180, "the week was not closed")

    assert_paid_exactly(cluster)
    assert not [name for name in cluster.variables if "KEY" in name and name.endswith("FILE")]
    doctor = kontrib(cluster, "doctor")
    assert "object=receipts of the module's token token=kontrib" in doctor
    assert "each signs a test message" in doctor
    seen = [text for text in messages if f'"week": "{WEEK.id}"' in text]
    assert seen, "no arguments of a task of the week were seen in Redis"
    texts = [cluster.log("one"), cluster.log("two"), cluster.log("beat"), doctor, *messages]
    texts += [path.read_text() for path in (cluster.folder / "plans").rglob("*") if path.is_file()]
    database = cluster.database
    texts += [str(list(database[name].find())) for name in database.list_collection_names()]
    assert not [text for text in texts if PIN in text]


def test_a_token_removed_in_mid_week_makes_the_week_wait_and_go_on(
    cluster: Cluster, module: SoftHsm
) -> None:
    cluster.start_worker()
    cluster.start_beat()
    cluster.wait(lambda: paid_batches(cluster) > 0, 120, "no batch was paid")
    module.remove()
    cluster.wait(lambda: "no token with token=kontrib" in reason(cluster), 60, "nothing waits")
    before = paid_batches(cluster)

    assert not cluster.is_closed(WEEK)
    assert "Plug the token in" in kontrib(cluster, "status", WEEK.label)
    assert "no token with token=kontrib" in kontrib(cluster, "doctor")
    payouts = list(cluster.database.payout_batches.find())
    assert 0 < before < len(payouts)
    assert {each["status"] for each in payouts} <= {"pending", "processing", "paid"}
    distribution = cluster.context.store.distribution(WEEK)
    assert distribution is not None
    assert (distribution.attempts, distribution.stopped) == (0, False)

    # A worker that starts meanwhile waits, too.
    cluster.kill("worker")
    cluster.start_worker("late")
    said = "no token with token=kontrib"
    cluster.wait(lambda: said in cluster.log("late"), 60, "the new worker does not wait")

    module.put_back()
    cluster.wait_until_closed()
    assert_paid_exactly(cluster)


def test_a_wrong_pin_is_tried_once_and_work_goes_on_with_the_right_one(
    cluster: Cluster, wrong_pin: Path
) -> None:
    cluster.start_worker()
    cluster.start_beat()
    refusals = "it was wrong before"
    cluster.wait(lambda: cluster.log().count(refusals) > 5, 60, "no task waits for the PIN")
    assert cluster.log().count("refuses the PIN: PinIncorrect") in (1, 2)  # logged, and shown
    assert WRONG_PIN not in cluster.log()
    assert cluster.database.payout_batches.count_documents({}) == 0

    wrong_pin.write_text(PIN)
    cluster.wait_until_closed()
    assert_paid_exactly(cluster)
