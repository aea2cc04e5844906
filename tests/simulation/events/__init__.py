"""All events of the town by name. Each event takes one number.

The number chooses among the variants of the event. So a history is a list of (name, number), which
is easy to draw, print, shrink and repeat.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.world import store_of
from tests.simulation.events import cluster, operators, wiki
from tests.simulation.facts import collect
from tests.simulation.town import Town
from worker.core.errors import KontribError

EVENTS: dict[str, Callable[[Town, int], None]] = {
    event.__name__.replace("_", " "): event
    for event in (
        cluster.wait,
        cluster.begin_next_week,
        cluster.fork,
        cluster.land_dropped,
        cluster.hold_sends,
        cluster.deliver,
        cluster.lose_in_flight,
        cluster.change_endpoint,
        cluster.spread_nodes,
        cluster.forget_statuses,
        cluster.lose_history,
        cluster.delay_history,
        cluster.refuse_sends,
        cluster.stranger,
        wiki.change_token_account,
        wiki.change_wallet,
        wiki.contribute_late,
        wiki.edit_contribution,
        wiki.delete_contribution,
        operators.run_short,
        operators.top_up,
        operators.pause,
        operators.hold,
        operators.void,
        operators.release,
        operators.redirect,
        operators.retry,
        operators.set_clock,
        operators.lose_database,
        operators.back_up,
        operators.put_back,
    )
}


def happen(town: Town, name: str, number: int) -> None:
    """Run one event. An impossible event does nothing."""
    try:
        EVENTS[name](town, number)
    except KontribError:
        return  # the system rightly refused the command
    finally:
        for operator in town.operators:
            collect(town.inputs, store_of(operator))
