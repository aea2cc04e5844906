"""Small weeks for the exhaustive test: every path of the money path is in one of them.

An act changes the world, and then sweeps go on until its goal is reached. A process that was
killed is replaced by a new one on the same database, chain and archive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from bson import ObjectId

from tests.fakes.chain import wallet_named
from tests.fakes.transactions import token_address
from tests.fakes.world import WEEK, World, store_of, user_id_of
from tests.simulation.faults import Crashed, Process
from worker.core.errors import KontribError
from worker.core.lifecycle import Stage, Status
from worker.core.week import Week
from worker.services.context import Context, Deadline, Limits
from worker.services.genesis import make_genesis
from worker.services.operate import hold_reward, redirect_reward, release_reward, retry_week
from worker.services.rebuild import rebuild_week
from worker.services.run import do_work
from worker.services.work import Job, Work, find_work

FINALITY_SLOTS = 4
"""Of the small cluster: fewer looks while waiting, so fewer calls that are all alike."""
SWEEP_SECONDS = 300
SWEEPS_MAX = 8
ROUNDS_MAX = 30
LIMITS = Limits(batches_per_task=100, batches_in_flight=8, poll_seconds=2.0)

Task = Callable[[Context], None]
Goal = Callable[[Context], bool]


class Stuck(AssertionError):
    """A goal was not reached in a bounded number of sweeps."""


@dataclass(frozen=True, slots=True)
class Act:
    """`prepare` is what happens in the world; `task` is done until `goal` holds."""

    name: str
    goal: Goal
    prepare: Callable[[World], None] = lambda world: None
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults are tried in `acts`; what leads up to them goes well."""

    name: str
    acts: tuple[Act, ...]
    before: tuple[Act, ...] = ()


class Player:
    """Plays a scenario with a first process that may fail, and healthy ones after it."""

    def __init__(self, world: World, first: Callable[[Context], Process]) -> None:
        self._world = world
        self._outside = replace(world.first, limits=LIMITS)
        self._first = first
        self.process = Process(self._outside)

    def play(self, scenario: Scenario) -> None:
        for act in scenario.before:
            self._perform(act)
        self.process = self._first(self._outside)
        for act in scenario.acts:
            self._perform(act)
        self._world.ledger.expire()

    def _perform(self, act: Act) -> None:
        act.prepare(self._world)
        self._drive(act)

    def _drive(self, act: Act) -> None:
        trouble: list[str] = []
        for _ in range(SWEEPS_MAX):
            try:
                if self._sweep(act):
                    return
            except Crashed:
                self.process = Process(self._outside)
            except KontribError as error:
                trouble.append(f"{type(error).__name__}: {error}")
            self._world.clock.sleep(SWEEP_SECONDS)
        raise Stuck(f"'{act.name}' is not done after {SWEEPS_MAX} sweeps: {trouble}")

    def _sweep(self, act: Act) -> bool:
        context = self.process.context
        if act.task is not None and not act.goal(self._outside):
            act.task(context)
        for _ in range(ROUNDS_MAX):
            if act.goal(self._outside):
                return True
            if act.task is not None or not (work := find_work(context)):
                return False
            do_work(context, work[0], seconds=120)
        raise Stuck(f"'{act.name}' is still busy after {ROUNDS_MAX} pieces of work")


# --- the world of all scenarios --------------------------------------------------------------


def small_world() -> World:
    """Three batches of two, one reward held for want of a wallet, one missing token account."""
    world = World(batch_size=2)
    world.ledger.finalized_lag_slots = FINALITY_SLOTS
    for name in ("ada", "bob", "cyd", "dan"):
        world.add_user(name)
    world.add_user("new", account=False)
    world.add_user("ghost", wallet=None)
    for name in ("ada", "bob", "cyd", "dan", "new", "ghost"):
        world.contribute(name, 100)
    return world


def _freeze(world: World, *, frozen: bool = True) -> None:
    account = token_address(wallet_named("ada"))
    world.ledger.change_token_account(account, frozen=frozen)


def _make_everyone_payable(world: World) -> None:
    """The frozen account is thawed, and the ghost names a wallet without a token account."""
    _freeze(world, frozen=False)
    ghost = ObjectId(user_id_of("ghost"))
    store_of(world.first).set_user_fields(ghost, wallet_address=wallet_named("ghost"))
    world.clock.sleep(timedelta(days=2).total_seconds())
    world.first.store.requeue(WEEK, world.clock.now())


def _lose_database(world: World) -> None:
    _lose_database_of(world.first)


def _lose_database_of(context: Context) -> None:
    state = store_of(context).state
    for table in (state.weeks, state.rewards, state.payouts, state.first_week):
        table.clear()


def _lose_database_and_file(world: World) -> None:
    _lose_database(world)
    world.archive.files.clear()


def _another_operator_anchors_first(world: World) -> None:
    """Their wiki knows of one contribution more, so their plan is another one."""
    rival = world.add_operator()
    store_of(rival).restore(store_of(world.first).snapshot())
    _lose_database_of(rival)
    world.contribute("bob", 50)
    for week_job in (Job.PLAN, Job.ANCHOR):
        do_work(rival, Work(week_job, WEEK), seconds=600)


def _close_the_new_account(world: World) -> None:
    """A fork drops the creation of a token account after it was seen."""
    world.ledger.put_token_account(token_address(wallet_named("new")), None)


# --- goals -----------------------------------------------------------------------------------


def _has_genesis(context: Context) -> bool:
    return context.store.first_week() is not None


def _reached(stage: Stage, week: Week = WEEK) -> Goal:
    order = list(Stage)

    def goal(context: Context) -> bool:
        distribution = context.store.distribution(week)
        return distribution is not None and order.index(distribution.stage) >= order.index(stage)

    return goal


def _one_payment(context: Context) -> bool:
    distribution = context.store.distribution(WEEK)
    if distribution is None or distribution.plan_id is None:
        return False
    return any(
        reward.status is Status.COMPLETED
        for reward in context.store.rewards(distribution.plan_id, range(9))
    )


def _everybody_paid(context: Context) -> bool:
    distribution = context.store.distribution(WEEK)
    if distribution is None or distribution.stage is not Stage.COMPLETED:
        return False
    rewards = context.store.rewards(distribution.plan_id or "", range(9))
    return all(reward.status is Status.COMPLETED for reward in rewards)


def _make_genesis(context: Context) -> None:
    make_genesis(context, WEEK)


def _rebuild(context: Context) -> None:
    rebuild_week(context, WEEK, Deadline(context.clock, 120))


def _hold_and_release(context: Context) -> None:
    """An operator keeps the ghost's reward back, redirects it, and lets it go again."""
    ghost = user_id_of("ghost")
    hold_reward(context, WEEK, ghost, "asked by mail")
    redirect_reward(context, WEEK, ghost, wallet_named("ada"))
    release_reward(context, WEEK, ghost)
    retry_week(context, WEEK)


# --- the scenarios ---------------------------------------------------------------------------

GENESIS = Act("genesis", _has_genesis, task=_make_genesis)
PLAN = Act("plan", _reached(Stage.PLANNED))
CLOSE = Act("close", _reached(Stage.COMPLETED), prepare=_freeze)
PAY_EVERYONE = Act("pay everyone", _everybody_paid, prepare=_make_everyone_payable)
PAY_A_FIRST_ONE = Act("pay a first one", _one_payment, prepare=_freeze)

SCENARIOS = (
    Scenario("a whole week", (GENESIS, PLAN, CLOSE, PAY_EVERYONE)),
    Scenario(
        "the database is lost in the middle",
        (replace(CLOSE, prepare=_lose_database), PAY_EVERYONE),
        before=(GENESIS, PLAN, PAY_A_FIRST_ONE),
    ),
    Scenario(
        "the database and the published plan are lost in the middle",
        (replace(CLOSE, prepare=_lose_database_and_file),),
        before=(GENESIS, PLAN, Act("pay a first one", _one_payment)),
    ),
    Scenario(
        "another operator anchors another plan first",
        (replace(CLOSE, prepare=_another_operator_anchors_first),),
        before=(GENESIS, PLAN),
    ),
    Scenario(
        "a created token account is gone again before the payment",
        (replace(CLOSE, prepare=_close_the_new_account),),
        before=(GENESIS, PLAN, Act("accounts", _reached(Stage.PREPARED))),
    ),
    Scenario(
        "an operator rebuilds a week of which single rewards were paid",
        (
            Act("rebuild", _reached(Stage.ANCHORED), prepare=_lose_database, task=_rebuild),
            Act("close again", _reached(Stage.COMPLETED)),
        ),
        before=(GENESIS, PLAN, CLOSE, PAY_EVERYONE),
    ),
)
