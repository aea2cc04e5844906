"""The long form, `make chaos KILLS=200 SEED=7`: many kills, and each fault for two minutes.

Real Celery workers, Redis, MongoDB engine and chain on a separate stack. The seed decides the order
of the faults, and when each process is killed. Ends with a verdict: 0 if every balance on chain is
as planned, 1 with the seed and the logs' folder otherwise.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from deploy.local.chain.service import chain_service
from deploy.local.errors import LocalStackError
from deploy.local.stack import LocalStack
from tests.chaos.killing import Killer
from tests.chaos.scenarios import IN_CI, MORE, Scenario
from tests.chaos.world import BLOCKS_BEHIND, world

SLOT_MILLISECONDS = 50
USERS = 2_000
KILLS_PER_WEEK = 20
"""A week of this size takes less than so many seconds, so there are enough weeks."""


def main() -> int:
    options = _parser().parse_args()
    # When it must end, it also ends the processes that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="kontrib-chaos-"))
    stack = LocalStack(
        folder / "stack", _say, services=[chain_service(slot_milliseconds=SLOT_MILLISECONDS)]
    )
    _say(f"seed {seed}, {options.kills} kills, {options.seconds:g} s of each fault")
    try:
        stack.up()
        _kills(stack, folder, options.kills, seed)
        _faults(stack, folder, options.seconds, seed)
    except LocalStackError as error:
        _say(f"error: {error}")
        return 3
    except Exception:  # noqa: BLE001 - whatever it was, the verdict says how to see it again
        traceback.print_exc()
        _say(f"FAILED. Again with --kills {options.kills} --seed {seed}; logs are in {folder}")
        return 1
    finally:
        stack.down(purge=True)
    shutil.rmtree(folder, ignore_errors=True)
    _say(f"every balance on chain is as planned (seed {seed})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="one each second (default: 200)")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--seconds", type=float, default=120, help="of each fault (default: 120)")
    return parser


def _kills(stack: LocalStack, folder: Path, kills: int, seed: int) -> None:
    """Pay weeks one after another, and kill a worker process every second."""
    place = folder / "kills"
    place.mkdir()
    weeks = 1 + -(-kills // KILLS_PER_WEEK)
    with world(stack, place, weeks=weeks, users=USERS, by_approval=True) as killed:
        killed.cluster.start_beat()
        killer = Killer(killed.cluster, seed)
        week = killed.approve_next()
        for number in range(1, kills + 1):
            time.sleep(1)
            killer.kill_one()
            if killed.cluster.is_closed(week):
                _say(f"kill {number} of {kills}: {week} is closed")
                week = killed.approve_next()
        killed.wait_until_closed(week, seconds=300)
        killed.check(killed.played)
        _say(
            f"{killer.children} children and {killer.parents} parents killed: "
            f"{len(killed.played)} weeks of {USERS} rewards are paid exactly"
        )


def _faults(stack: LocalStack, folder: Path, seconds: float, seed: int) -> None:
    """Pay a week during each fault."""
    scenarios: list[Scenario] = [*IN_CI, *MORE]
    random.Random(seed).shuffle(scenarios)
    place = folder / "faults"
    place.mkdir()
    with world(stack, place, weeks=len(scenarios), users=USERS, by_approval=True) as faulty:
        faulty.rpc.remember(BLOCKS_BEHIND)
        faulty.cluster.start_worker()
        faulty.cluster.start_beat()
        for scenario in scenarios:
            began = time.monotonic()
            scenario.play(faulty, seconds)
            faulty.check(faulty.played)
            _say(f"{scenario.name}: paid exactly after {time.monotonic() - began:.0f} s")


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
