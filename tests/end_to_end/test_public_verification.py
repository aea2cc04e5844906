"""A stranger with a published file and a URL confirms weeks, in Python and in JavaScript."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.support import wiki
from tests.end_to_end.support.public_weeks import (
    FROZEN_USER,
    HELD_USER,
    INVENTED_ID,
    USERS,
    WEEKS,
    PublicWeeks,
    public_weeks,
    user_id,
)
from tests.fakes.bundle import MemoryBundle, with_payout
from tests.verifier.node import run_verifier
from worker.adapters.bundle_folder import BundleFolderWriter
from worker.core.plan.commitment import Header, Row, SealBuilder
from worker.core.plan.receipts import ReceiptState
from worker.core.proof.bundle import MANIFEST_FILE, PAYOUTS_FILE, PLAN_FILE, Manifest, PayoutLine
from worker.core.week import Week
from worker.services.proof.contributor_proof import make_proof
from worker.services.proof.publish_bundle import publish_week

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublicWeeks]:
    with public_weeks(tmp_path_factory.mktemp("public")) as world:
        yield world


def kontrib(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a stranger runs it: without settings, database or keys."""
    return subprocess.run(
        [sys.executable, "-c", "from worker.cli import main; main()", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("week", WEEKS[:2])
def test_python_verifies_a_week_against_the_chain(weeks: PublicWeeks, week: Week) -> None:
    bundle = weeks.bundles[week]
    done = kontrib(weeks.folder, "verify", str(bundle), "--rpc", weeks.url, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["verified"]
    assert {check["outcome"] for check in found["checks"]} == {"ok"}


@pytest.mark.parametrize("week", WEEKS)
def test_the_files_alone_hold_in_both_languages(weeks: PublicWeeks, week: Week) -> None:
    bundle = str(weeks.bundles[week])
    done = kontrib(weeks.folder, "verify", bundle)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_verifier(bundle).returncode == 0


@pytest.mark.parametrize("week", WEEKS[:2])
def test_javascript_verifies_a_week_against_the_chain(weeks: PublicWeeks, week: Week) -> None:
    done = run_verifier(str(weeks.bundles[week]), weeks.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "KONTRIB paid in" in done.stdout


def test_the_first_week_has_a_void_batch_and_rewards_paid_alone(weeks: PublicWeeks) -> None:
    bundle = weeks.bundles[WEEKS[0]]
    header = Header.parse((bundle / PLAN_FILE).read_bytes().splitlines()[0])
    payouts = [
        PayoutLine.parse(line, PAYOUTS_FILE)
        for line in (bundle / PAYOUTS_FILE).read_bytes().splitlines()
    ]
    batches, alone = payouts[: header.batches], payouts[header.batches :]
    (void,) = [index for index, p in enumerate(batches) if p.state is ReceiptState.VOID]
    assert all(p.state is ReceiptState.PAID for p in batches if p is not batches[void])
    alone = [p for p in alone if p.id != weeks.paid_later_id]
    # The keys decide the batch of the frozen account, and so the number of its rewards.
    others = {wiki.wallet(n) for n in range(USERS)} - {wiki.wallet(FROZEN_USER)}
    assert len({p.wallet for p in alone} & others) == len(alone)
    assert len(alone) == len(header.batch_positions(void)) - 1 > 0


def test_both_name_the_tokens_that_left_without_a_receipt(weeks: PublicWeeks) -> None:
    bundle = str(weeks.bundles[WEEKS[2]])
    python = kontrib(weeks.folder, "verify", bundle, "--rpc", weeks.url)
    javascript = run_verifier(bundle, weeks.url)
    assert (python.returncode, javascript.returncode) == (1, 1)
    assert f"{weeks.theft}: 5 KONTRIB left the source account" in python.stdout
    assert f"{weeks.theft}: took 5000000000 out of the source account" in javascript.stdout


def test_both_name_the_tokens_that_left_under_an_id_of_no_plan(weeks: PublicWeeks) -> None:
    bundle = str(weeks.bundles[WEEKS[2]])
    python = kontrib(weeks.folder, "verify", bundle, "--rpc", weeks.url)
    javascript = run_verifier(bundle, weeks.url)
    assert f"{weeks.invented}: 5 KONTRIB left the source account" in python.stdout
    assert f"it names {INVENTED_ID}, which the plan of 2024-12-02 does not have" in python.stdout
    assert f"{weeks.invented}: took 5000000000 out of the source account" in javascript.stdout
    assert f"for {INVENTED_ID}, which no plan has" in javascript.stdout


def test_both_name_a_transaction_that_stands_for_two_payments(weeks: PublicWeeks) -> None:
    bundle = str(weeks.bundles[WEEKS[2]])
    python = kontrib(weeks.folder, "verify", bundle, "--rpc", weeks.url)
    for done in (python, run_verifier(bundle, weeks.url)):
        assert f"{weeks.shared_id}: the memo of its transaction is 2024-12-16/u/" in done.stdout


def test_without_its_weeks_bundle_beside_it_both_leave_a_late_payment_not_proven(
    weeks: PublicWeeks, tmp_path: Path
) -> None:
    lonely = tmp_path / WEEKS[1].id
    shutil.copytree(weeks.bundles[WEEKS[1]], lonely)
    python = kontrib(weeks.folder, "verify", str(lonely), "--rpc", weeks.url)
    javascript = run_verifier(str(lonely), weeks.url)
    for done in (python, javascript):
        assert done.returncode == 1, done.stdout + done.stderr
        assert f"{weeks.paid_later}: " in done.stdout
        assert weeks.paid_later_id in done.stdout
        assert done.stdout.splitlines()[-1].startswith("NOT PROVEN: ")
    shutil.copytree(weeks.bundles[WEEKS[0]], tmp_path / WEEKS[0].id)
    assert kontrib(weeks.folder, "verify", str(lonely), "--rpc", weeks.url).returncode == 0
    assert run_verifier(str(lonely), weeks.url).returncode == 0


def change_cutoff(folder: Path) -> None:
    """Turn the bundle into another consistent plan with the same rows."""
    first, *rows = (folder / PLAN_FILE).read_bytes().splitlines()
    header = Header.parse(first)
    header = replace(header, cutoff=header.cutoff + 1)
    builder = SealBuilder(header)
    for row in rows:
        builder.add(Row.parse(row))
    plan = b"".join(line + b"\n" for line in (header.canonical(), *rows))
    manifest = Manifest.parse((folder / MANIFEST_FILE).read_bytes())
    files = {**manifest.files, PLAN_FILE: hashlib.sha256(plan).digest()}
    changed = replace(manifest, root=builder.seal().root, files=files)
    (folder / PLAN_FILE).write_bytes(plan)
    (folder / MANIFEST_FILE).write_bytes(changed.canonical() + b"\n")


def test_a_bundle_of_no_anchored_plan_beside_it_proves_nothing(
    weeks: PublicWeeks, tmp_path: Path
) -> None:
    shutil.copytree(weeks.bundles[WEEKS[1]], tmp_path / WEEKS[1].id)
    stray = tmp_path / WEEKS[0].id
    shutil.copytree(weeks.bundles[WEEKS[0]], stray)
    change_cutoff(stray)
    assert run_verifier(str(stray)).returncode == 0
    lonely = str(tmp_path / WEEKS[1].id)
    python = kontrib(weeks.folder, "verify", lonely, "--rpc", weeks.url)
    for done in (python, run_verifier(lonely, weeks.url)):
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1].startswith("NOT PROVEN: ")


def test_a_forged_signature_is_found_by_both(weeks: PublicWeeks, tmp_path: Path) -> None:
    source, memory = weeks.bundles[WEEKS[1]], MemoryBundle()
    names = (PLAN_FILE, PAYOUTS_FILE, MANIFEST_FILE)
    memory.files = {name: (source / name).read_bytes() for name in names}
    forged = with_payout(memory, 0, lambda line: replace(line, signature=weeks.theft))
    for name in names:
        (tmp_path / name).write_bytes(forged.files[name])
    python = kontrib(weeks.folder, "verify", str(tmp_path), "--rpc", weeks.url)
    javascript = run_verifier(str(tmp_path), weeks.url)
    assert (python.returncode, javascript.returncode) == (1, 1)
    for done in (python, javascript):
        assert f"2024-12-09/00000: the signature is {weeks.theft}" in done.stdout


def test_publishing_again_gives_the_same_bytes(weeks: PublicWeeks, tmp_path: Path) -> None:
    for week, bundle in weeks.bundles.items():
        again = Path(publish_week(weeks.context, week, BundleFolderWriter(tmp_path, week)).location)
        for file in bundle.iterdir():
            assert (again / file.name).read_bytes() == file.read_bytes()
        assert sorted(path.name for path in again.parent.iterdir()) == [
            *(it.id for it in WEEKS if it <= week),
            *("index.html", "weeks.json"),
        ]


@pytest.mark.parametrize(
    ("user", "fate"),
    [(3, "Paid to "), (FROZEN_USER, "is not paid yet"), (HELD_USER, "It is held")],
)
def test_a_contributor_checks_their_own_row(
    weeks: PublicWeeks, tmp_path: Path, user: int, fate: str
) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(make_proof(weeks.context, WEEKS[0], user_id(user)).canonical() + b"\n")
    assert file.stat().st_size < 4096
    done = kontrib(weeks.folder, "verify-proof", str(file), "--rpc", weeks.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fate in done.stdout
