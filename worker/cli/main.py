"""The command as a whole: its parts, its options, and what becomes of an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.database import backup_commands
from worker.cli.database import commands as data_commands
from worker.cli.database import metrics as metrics_command
from worker.cli.proof import check as check_command
from worker.cli.proof import publish as publish_commands
from worker.cli.proof import verify as verify_commands
from worker.cli.report import report as report_command
from worker.cli.report import simulate as simulate_command
from worker.cli.session import Session
from worker.cli.week import commands as week_commands
from worker.cli.week import control as control_commands
from worker.cli.week import rewards as reward_commands
from worker.cli.wiki import contribute as contribute_command
from worker.cli.wiki import governance as governance_commands
from worker.cli.wiki import recount as counters_command
from worker.cli.wiki import staking as staking_commands
from worker.cli.wiki import user_command
from worker.core.errors import KontribError

DONE, FAILED, WRONG_USAGE, NOT_READY, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="kontrib",
    help="Pays a wiki's contributors in KONTRIB on Solana, every week, exactly once.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not ready. "
    "Weeks are written as 2024-W50 or as their Monday, 2024-12-09.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    data_commands,
    week_commands,
    control_commands,
    metrics_command,
    publish_commands,
    verify_commands,
    report_command,
    reward_commands,
    simulate_command,
    contribute_command,
    counters_command,
    staking_commands,
    governance_commands,
    backup_commands,
    check_command,
    user_command,
):
    part.register(app)


@app.callback()
def options(
    context: typer.Context,
    env: Annotated[
        Path | None,
        typer.Option(
            "--env",
            metavar="FILE",
            help="Settings file. Default: $KONTRIB_ENV_FILE, .env, or a local stack's.",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Options of every command."""
    session: Session = context.obj
    session.env_file = env or session.env_file
    session.debug = session.debug or debug


def run(
    arguments: Sequence[str],
    session: Session | None = None,
    *,
    commands: typer.Typer = app,
    name: str = "kontrib",
) -> int:
    """Run one command and return its exit code. Only bugs show a traceback, and only on demand."""
    session = session or Session()
    try:
        typer.main.get_command(commands).main(args=list(arguments), prog_name=name, obj=session)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can tell what happened
        return _report(error, session)
    return DONE


def _report(error: Exception, session: Session) -> int:
    """An expected failure is one clean block on stderr."""
    if _is_expected(error):
        _print_block(str(error))
        return int(getattr(error, "exit_code", FAILED))
    name = type(error).__name__
    if session.debug:
        traceback.print_exception(error)
    _print_block(
        f"This is a bug in kontrib ({name}: {error}). "
        + ("" if session.debug else "Run it again with --debug to see where. ")
        + "Nothing that was sent is lost: every command can be run again."
    )
    return FAILED


def _is_expected(error: Exception) -> bool:
    if isinstance(error, KontribError):
        return True
    # Looked up, not imported: `kontrib --help` loads no settings.
    unusable = getattr(sys.modules.get("config.settings"), "ConfigurationUnusable", None)
    return unusable is not None and isinstance(error, unusable)


def _print_block(text: str) -> None:
    use_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    prefix = "\x1b[31merror:\x1b[0m" if use_colour else "error:"
    sys.stderr.write(f"{prefix} {text}\n")
