"""Runs one command: common options, exit codes, and the output of errors."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from config.errors import ConfigurationUnusable
from config.secrets import Hiding
from config.visible_text import visible
from worker.cli.console import write_error
from worker.cli.database import backup, import_file, metrics, migrate
from worker.cli.program import GROUPS
from worker.cli.proof import check, publish, verify
from worker.cli.report import report, simulate
from worker.cli.session import Session
from worker.cli.week import control, pay, plan, reconcile, rewards, status
from worker.cli.wiki import contribute, governance, recount, staking, user
from worker.core.errors import ExitCode, KontribError, Unreachable


@contextmanager
def _visible_errors() -> Iterator[None]:
    """Escape the arguments in messages about wrong usage, which typer prints as they are."""
    try:
        yield
    except typer.TyperException as error:
        if isinstance(message := getattr(error, "message", None), str):
            error.message = visible(message)
        raise


class InGroups(TyperGroup):
    def list_commands(self, _: object) -> list[str]:
        return [name for names in GROUPS.values() for name in names]

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _visible_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, context: Any) -> Any:
        with _visible_errors():
            return super().invoke(context)


app = typer.Typer(
    name="kontrib",
    cls=InGroups,
    help="Pays a wiki's contributors in KONTRIB on Solana, every week, exactly once.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not ready. "
    "Weeks are written as 2024-W50 or as their Monday, 2024-12-09.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
MONEY = (plan, pay, status, reconcile, control, rewards, publish, verify, check, report, simulate)
WIKI = (import_file, contribute, recount, staking, governance, user, migrate, backup, metrics)
for part in (*MONEY, *WIKI):
    for info in (*part.commands.registered_commands, *part.commands.registered_groups):
        info.rich_help_panel = next(g for g, names in GROUPS.items() if info.name in names)
    app.add_typer(part.commands)


def _print_version(is_asked: bool) -> None:
    """Print the version. The image has its version in a variable, a wheel in its metadata."""
    if is_asked:
        given = os.environ.get("KONTRIB_VERSION")
        typer.echo(f"kontrib {given or importlib.metadata.version('kontrib')}")
        raise typer.Exit


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
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show it.")
    ] = False,
) -> None:
    """Store the options that every command shares."""
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
    """Run one command and return its exit code. Only a bug with --debug shows a traceback."""
    session = session or Session()
    try:
        _command(commands).main(args=list(arguments), prog_name=name, obj=session)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else ExitCode.DONE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (KontribError, ConfigurationUnusable) as error:
        _print_block(_without_secrets(str(error), session) + _next_step(error, session))
        return error.exit_code if isinstance(error, KontribError) else ExitCode.NOT_READY
    except Exception as error:  # noqa: BLE001 - the last place that can report a bug
        _report_bug(error, session)
        return ExitCode.FAILED
    return ExitCode.DONE


# Building it from the functions' signatures takes longer than many a command.
_command = functools.cache(typer.main.get_command)


def _next_step(error: Exception, session: Session) -> str:
    """The command that examines a server that does not answer. It needs the settings."""
    if isinstance(error, Unreachable) and "settings" in vars(session):
        return "\n`kontrib doctor` shows everything that does not answer, and what to do."
    return ""


def _without_secrets(text: str, session: Session) -> str:
    """Hide what the settings keep secret. A library's error may repeat it."""
    if "settings" not in vars(session):
        return text
    return Hiding(session.settings.secrets())(text)


def _report_bug(error: Exception, session: Session) -> None:
    if session.debug:
        write_error(_without_secrets("".join(traceback.format_exception(error)), session))
    _print_block(
        f"This is a bug in kontrib ({type(error).__name__}: "
        f"{_without_secrets(str(error), session)}). "
        + ("" if session.debug else "Run it again with --debug to see where. ")
        + "Nothing that was sent is lost: every command can be run again."
    )


def _print_block(text: str) -> None:
    use_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    prefix = "\x1b[31merror:\x1b[0m" if use_colour else "error:"
    sys.stderr.write(prefix)
    write_error(f" {text}\n")
