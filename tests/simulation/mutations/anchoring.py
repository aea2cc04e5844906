"""Safeguards between a plan and its anchor, and of plans that another operator anchored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.fakes.chain.chain import FakeChain
from tests.fakes.world import WEEK, World, chain_of, restarted, sign_and_send, store_of, user_id_of
from tests.simulation.faults.sweeping import sweep, sweep_until_closed
from tests.simulation.faults.traps import do, rival_of
from tests.simulation.happenings import empty_database, shrink_transactions
from tests.simulation.mutations.happen import NEXT, attempt, end_next_week, refuses
from tests.simulation.mutations.safeguard import Safeguard, Scenario, both, edit, promise
from worker.core.errors import Refused
from worker.core.money import ONE_TOKEN
from worker.core.payout.chain import Intent
from worker.core.plan.commitment import Header
from worker.core.plan.memo import AnchorMemo
from worker.core.plan.receipts import Resolution, anchor_ids
from worker.services.context import Context, Deadline
from worker.services.payout import rebuild
from worker.services.payout.override import hold_reward
from worker.services.plan import (
    adopt,
    anchor,
    approval,
    funds,
    genesis,
    plan_week,
    publish,
    seal,
)
from worker.services.plan.anchored import read_anchor
from worker.services.plan.anchored.previous import Previous
from worker.services.plan.draft import Draft, make_draft
from worker.services.plan.genesis import make_genesis
from worker.services.week.story import Job

POOL = 10_000 * ONE_TOKEN


def is_anchored(world: World) -> bool:
    return chain_of(world.first).receipt_address(f"{WEEK.id}/anchor") in world.ledger.allocated_by


def before_the_anchor(change: Callable[[World], None]) -> Scenario:
    """Something changes after planning, and the plan is not anchored."""

    def scenario(world: World) -> None:
        do(world.first, Job.PLAN)
        change(world)
        do(world.first, Job.ANCHOR)
        promise(not is_anchored(world), "anchored in spite of it")

    return scenario


def lose_the_file(world: World) -> None:
    world.archive.files.clear()


def change_the_file(world: World) -> None:
    """Somebody gives one user a thousand points more in the published file."""
    for name, content in world.archive.files.items():
        world.archive.files[name] = content.replace(b'"points":"100"', b'"points":"1100"', 1)


def ask_for_approval(world: World) -> None:
    store_of(world.first).set_rules(require_approval=True)


def pause(world: World) -> None:
    world.first.store.pause("the auditor calls")


def spoil_the_mint(world: World) -> None:
    world.ledger.mint_problem = "it takes a fee"


def hold_too_few_tokens(world: World) -> None:
    world.ledger.change_token_account(chain_of(world.first).source, amount=POOL - 1)
    world.clock.sleep(20)


def be_a_delegate_with_a_small_allowance(world: World) -> None:
    facts = {"owner": "the owner", "delegate": "authority", "allowance": POOL - 1}
    world.ledger.change_token_account(chain_of(world.first).source, **facts)
    world.clock.sleep(20)


def hold_too_little_sol(world: World) -> None:
    """Enough for the anchor, and too little for three batches after it."""
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=2_500_000))
    world.clock.sleep(20)


def most_contributions_are_of_strangers(world: World) -> None:
    world.contribute("a stranger", 10_000)
    do(world.first, Job.PLAN, Job.ANCHOR)
    promise(not is_anchored(world), "anchored in spite of it")


def while_the_week_before_is_owed(change: Callable[[World], None]) -> Scenario:
    """The treasury covers one week. The week before is anchored and unpaid."""

    def scenario(world: World) -> None:
        do(world.first, Job.PLAN, Job.ANCHOR)
        change(world)
        end_next_week(world, "user 0")
        do(world.first, Job.PLAN, Job.ANCHOR, week=NEXT)
        distribution = world.first.store.distribution(NEXT)
        promise(
            distribution is not None and not distribution.stage.is_frozen,
            "anchored in spite of a debt",
        )

    return scenario


def hold_tokens_for_one_week(world: World) -> None:
    world.ledger.change_token_account(chain_of(world.first).source, amount=POOL + 1)


def hold_sol_for_one_week(world: World) -> None:
    payer = chain_of(world.first).fee_payer
    account = world.ledger.account(payer)
    assert account is not None
    world.ledger.put_account(payer, replace(account, lamports=5_000_000))


def the_mint_has_a_problem(world: World) -> None:
    spoil_the_mint(world)
    do(world.first, Job.PLAN)
    distribution = world.first.store.distribution(WEEK)
    promise(distribution is None or distribution.plan_id is None, "planned in spite of it")


def another_plan_for_the_next_week(change: Callable[[Draft], Draft]) -> Scenario:
    """A plan of the next week that does not fit is replaced, and both weeks close."""

    def scenario(world: World) -> None:
        sweep_until_closed(world)
        end_next_week(world, "user 0")
        planned = world.distribution().planned
        assert planned is not None
        now = int(world.clock.now().timestamp())
        previous = Previous(WEEK, planned.root, planned.header.cutoff)
        draft = make_draft(world.first, NEXT, now, previous)
        plan_week._install(world.first, change(draft))
        sweep_until_closed(world, week=NEXT)
        closed = world.distribution(NEXT).planned
        promise(
            closed is not None and closed.header.mint == chain_of(world.first).mint,
            "anchored for another mint",
        )

    return scenario


def of_another_root(draft: Draft) -> Draft:
    return replace(draft, header=replace(draft.header, previous_root=b"\1" * 32))


def of_another_mint(draft: Draft) -> Draft:
    return replace(draft, header=replace(draft.header, mint="another mint"))


def batches_become_too_large(world: World) -> None:
    do(world.first, Job.PLAN)
    shrink_transactions(world)
    sweep_until_closed(world)


def the_stored_header_is_changed(world: World) -> None:
    do(world.first, Job.PLAN)
    weeks = store_of(world.first).state.weeks
    stored = weeks[WEEK].distribution
    assert stored.header is not None
    changed = stored.header.replace(b'"total_points":"615"', b'"total_points":"616"')
    assert changed != stored.header
    weeks[WEEK] = replace(weeks[WEEK], distribution=replace(stored, header=changed))
    sweep_until_closed(world)


# --- plans of other operators --------------------------------------------------------------------


def adopted(world: World, context: Context) -> bool:
    distribution = context.store.distribution(WEEK)
    return distribution is not None and distribution.plan_id is not None


def a_memo_names_a_root_without_a_receipt(world: World) -> None:
    """The key anchors a root, and the memo names another plan, which is published."""
    rival = rival_of(world)
    do(rival, Job.PLAN)
    header, root = rival_plan(rival)
    memo = AnchorMemo.of(header, root).text()
    sign_and_send(world, Intent(anchor_ids(WEEK, b"\1" * 32), Resolution.PAID, memo=memo))
    do(world.first, Job.PLAN)
    promise(not adopted(world, world.first), "adopted without a receipt")
    world.ledger.landed.clear()  # the auditor would rightly miss the published plan


def rival_plan(rival: Context) -> tuple[Header, bytes]:
    distribution = rival.store.distribution(WEEK)
    planned = distribution.planned if distribution else None
    assert planned is not None
    return planned.header, planned.root


def the_anchored_file_is_changed(world: World) -> None:
    rival = rival_of(world)
    do(world.first, Job.PLAN, Job.ANCHOR)
    kept = dict(world.archive.files)
    change_the_file(world)
    do(rival, Job.PLAN)
    world.archive.files.update(kept)
    promise(not adopted(world, rival), "adopted a changed file")


def the_anchored_file_is_lost_and_the_wiki_has_changed(world: World) -> None:
    rival = rival_of(world)
    do(world.first, Job.PLAN, Job.ANCHOR)
    kept = dict(world.archive.files)
    world.archive.files.clear()
    contributions = store_of(rival).state.contributions
    contributions.pop(next(iter(contributions)))
    do(rival, Job.PLAN)
    world.archive.files.update(kept)
    promise(not adopted(world, rival), "adopted another plan than the anchored one")


def a_week_is_rebuilt_without_its_file(world: World) -> None:
    do(world.first, Job.PLAN, Job.ANCHOR, Job.ACCOUNTS, Job.PAY)
    kept = dict(world.archive.files)
    world.archive.files.clear()
    world.contribute("user 0", 100)
    attempt(lambda: rebuild.rebuild_week(world.first, WEEK, Deadline(world.clock, 60)))
    world.archive.files.update(kept)
    promise(adopted(world, world.first), "records removed without a plan to replace them")


def a_held_reward_is_rebuilt(world: World) -> None:
    store_of(world.first).set_user_fields(
        next(iter(store_of(world.first).state.users)), wallet_address=None
    )
    sweep_until_closed(world)
    hold_reward(world.first, WEEK, user_id_of("user 0"), "asked by mail")
    rebuild.rebuild_week(world.first, WEEK, Deadline(world.clock, 60))
    reward = world.first.store.reward(WEEK, user_id_of("user 0"))
    promise(reward is not None and reward.operator_hold is not None, "forgot an operator's hold")


def another_plan_is_anchored(world: World) -> None:
    rival = rival_of(world)
    world.contribute("user 0", 100)
    do(rival, Job.PLAN)
    world.contribute("user 1", 100)
    do(world.first, Job.PLAN)
    do(rival, Job.ANCHOR)
    sweep_until_closed(world)


def another_system_has_distributed_the_week(world: World) -> None:
    store_of(world.first).add_distribution(distributed())
    attempt(lambda: plan_week.plan_week(world.first, WEEK))
    planned = world.first.store.distribution(WEEK)
    promise(refuses(lambda: plan_week.plan_week(world.first, WEEK), Refused), "not refused")
    promise(planned is None or planned.plan_id is None, "planned a week of another system")
    store_of(world.first).state.weeks.clear()


def distributed() -> dict[str, object]:
    return {
        "week_start": WEEK.start,
        "week_end": WEEK.end,
        "total_points": 100,
        "total_tokens": 10_000.0,
        "user_count": 45,
        "status": "completed",
    }


# --- genesis -------------------------------------------------------------------------------------


def a_new_receipt_key_begins_with_an_anchored_week(world: World) -> None:
    sweep_until_closed(world)
    other = with_another_key(world)
    attempt(lambda: make_genesis(other, WEEK))
    empty_database(other)
    sweep(other)


def a_receipt_key_begins_with_a_distributed_week(world: World) -> None:
    store_of(world.first).add_distribution(distributed())
    act = lambda: make_genesis(with_another_key(world), WEEK)  # noqa: E731 - a callback
    promise(refuses(act, genesis.DistributedBefore), "a distributed week can be paid again")
    store_of(world.first).state.weeks.clear()


def a_new_receipt_key_begins_during_a_pause(world: World) -> None:
    pause(world)
    before = len(world.ledger.landed)
    attempt(lambda: make_genesis(with_another_key(world), WEEK))
    promise(len(world.ledger.landed) == before, "signed during a pause")


def with_another_key(world: World) -> Context:
    chain = chain_of(world.first)
    other = FakeChain(
        chain.ledger, source=chain.source, receipt_key="new", transfers_per_transaction=2
    )
    return restarted(replace(world.first, chain=other))


SAFEGUARDS = [
    Safeguard(
        "the published plan is there before the anchor",
        edit(anchor.check_before_anchor, ("published.result()", "pass")),
        before_the_anchor(lose_the_file),
        "anchored in spite of it",
    ),
    Safeguard(
        "the published plan has the root",
        edit(publish.published_header, ("found != root", "False")),
        before_the_anchor(change_the_file),
        "anchored in spite of it",
    ),
    Safeguard(
        "an operator approves the plan",
        edit(approval.check_approved, ("if rules.require_approval", "if False")),
        before_the_anchor(ask_for_approval),
        "anchored in spite of it",
    ),
    Safeguard(
        "a plan that leaves out most is approved",
        edit(approval.check_approved, ("fates.left_out() > rules.max_left_out", "False")),
        most_contributions_are_of_strangers,
        "anchored in spite of it",
    ),
    Safeguard(
        "no anchor during a pause",
        edit(anchor.check_before_anchor, ("context.refuse_if_paused()", "pass")),
        before_the_anchor(pause),
        "anchored in spite of it",
    ),
    Safeguard(
        "the mint is checked before an anchor",
        edit(anchor.check_before_anchor, ("context.chain.check_mint()", "pass")),
        before_the_anchor(spoil_the_mint),
        "anchored in spite of it",
    ),
    Safeguard(
        "the mint is checked before a plan",
        edit(plan_week.plan_week, ("context.chain.check_mint()", "pass")),
        the_mint_has_a_problem,
        "planned in spite of it",
    ),
    Safeguard(
        "the source covers the plan",
        edit(
            funds.FundsReport.tokens_short,
            ("max(0, self.needed.tokens - self.treasury.tokens)", "0"),
        ),
        before_the_anchor(hold_too_few_tokens),
        "anchored in spite of it",
    ),
    Safeguard(
        "a delegate's allowance covers the plan",
        edit(
            funds.FundsReport.allowance_short,
            ("0 if allowance is None else max(0, self.needed.tokens - allowance)", "0"),
        ),
        before_the_anchor(be_a_delegate_with_a_small_allowance),
        "anchored in spite of it",
    ),
    Safeguard(
        "the fee payer covers the plan",
        edit(
            funds.FundsReport.lamports_short,
            ("max(0, self.needed.lamports - self.treasury.lamports)", "0"),
        ),
        before_the_anchor(hold_too_little_sol),
        "anchored in spite of it",
    ),
    Safeguard(
        "the source covers all open weeks",
        edit(funds.funds_report, ("need.tokens + owed", "need.tokens")),
        while_the_week_before_is_owed(hold_tokens_for_one_week),
        "anchored in spite of a debt",
    ),
    Safeguard(
        "the fee payer covers all open weeks",
        edit(funds.funds_report, ("need.lamports + debt", "need.lamports")),
        while_the_week_before_is_owed(hold_sol_for_one_week),
        "anchored in spite of a debt",
    ),
    Safeguard(
        "a plan follows the anchored week before it",
        edit(anchor.check_before_anchor, ("previous.root != header.previous_root or", "")),
        another_plan_for_the_next_week(of_another_root),
        "does not follow that of",
    ),
    Safeguard(
        "a plan is for the configured mint",
        edit(anchor.check_before_anchor, (" or header.mint != context.chain.mint", "")),
        another_plan_for_the_next_week(of_another_mint),
        "anchored for another mint",
    ),
    Safeguard(
        "batches fit into a transaction",
        edit(
            anchor.check_before_anchor,
            ("header.batch_size > context.chain.costs().transfers_per_transaction", "False"),
        ),
        batches_become_too_large,
        "not closed",
    ),
    Safeguard(
        "the stored plan has its root",
        edit(seal.stored_seal, ("seal.root != planned.root", "False")),
        the_stored_header_is_changed,
        "not closed",
    ),
    Safeguard(
        "a memo counts with the receipt of its root",
        edit(read_anchor.read_anchor, ("is not ReceiptState.PAID", "is ReceiptState.UNKNOWN")),
        a_memo_names_a_root_without_a_receipt,
        "adopted without a receipt",
    ),
    Safeguard(
        "an adopted file has the anchored root",
        edit(adopt._write_published, ("check_file(context, week, root)", "pass")),
        the_anchored_file_is_changed,
        "adopted a changed file",
    ),
    Safeguard(
        "a plan made again has the anchored root",
        edit(adopt._plan_again, (".root != memo.root", ".root == b''")),
        the_anchored_file_is_lost_and_the_wiki_has_changed,
        "adopted another plan",
    ),
    Safeguard(
        "a rebuild reads the file before it removes records",
        edit(rebuild.rebuild_week, ("check_file(context, week, memo.root)", "pass")),
        a_week_is_rebuilt_without_its_file,
        "records removed",
    ),
    Safeguard(
        "an operator's hold survives a rebuild",
        edit(
            publish.with_marks,
            ("yield replace(reward, operator_hold=hold, redirected_to=wallet)", "yield reward"),
        ),
        a_held_reward_is_rebuilt,
        "forgot an operator's hold",
    ),
    Safeguard(
        "a new receipt key pays no anchored week",
        edit(genesis._refuse_paid_weeks, ("anchored and week", "False and week")),
        a_new_receipt_key_begins_with_an_anchored_week,
        "is not its receipt",
    ),
    Safeguard(
        "no genesis during a pause",
        edit(genesis.make_genesis, ("context.refuse_if_paused()", "pass")),
        a_new_receipt_key_begins_during_a_pause,
        "signed during a pause",
    ),
    Safeguard(
        "another plan's anchor is not ours",
        edit(anchor._step, ("ours is ReceiptState.PAID and", "")),
        another_plan_is_anchored,
        "not closed",
    ),
    Safeguard(
        "no week of another system is planned",
        both(
            edit(
                plan_week.check_plannable,
                ("known is not None and known.historic is not None", "False"),
            ),
            edit(plan_week.plan_week, ("known.historic is not None", "False")),
        ),
        another_system_has_distributed_the_week,
        "planned a week|not refused",
    ),
    Safeguard(
        "a receipt key begins after distributed weeks",
        edit(genesis._refuse_paid_weeks, ("historic and week", "False and week")),
        a_receipt_key_begins_with_a_distributed_week,
        "a distributed week can be paid again",
    ),
]
