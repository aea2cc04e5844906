"""The program's commands, and the words that the reader types to start it.

Sentences say `kontrib retry`. In a checkout nobody can type that: the program is
`.venv/bin/kontrib` there. So the words follow from the way in which this process was started.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

GROUPS = {
    "Week": ("genesis", "plan", "approve", "run", "retry", "pause", "resume"),
    "Rewards": ("hold", "release", "void", "user", "report", "simulate"),
    "Money and proof": (
        "reconcile",
        "check",
        "publish",
        "proof",
        "verify",
        "verify-proof",
        "salts",
    ),
    "Wiki": (
        *("import", "contribute", "recount", "stake", "unstake", "stakes"),
        *("propose", "vote", "proposals", "cancel", "execute"),
    ),
    "Database": ("migrate", "backup", "restore", "archive", "rebuild"),
    "Watching": ("status", "doctor", "metrics"),
}
"""The commands in the order of the help. README lists them in the same groups."""

PYTHON = "python"
_NAMES = "|".join(sorted(itertools.chain(*GROUPS.values()), key=len, reverse=True))
_HINT = re.compile(
    rf"(?<![\w/.-])(kontrib(?= (?:{_NAMES})\b)|celery(?= -A\b)|python(?= -m deploy\.local\b))"
)

_typed: Mapping[str, str] = {}
"""Programs that are typed in another way than by their name."""


def hints_follow(started: str) -> None:
    """Let the sentences of this process name the programs beside the one that was started."""
    global _typed
    folder = Path(started).parent
    try:
        here = Path.cwd()
    except OSError:
        return  # the shell stands in a folder that is gone, and every command works there, too
    _typed = {name: typed_as(folder / name, here) for name in ("kontrib", "celery", PYTHON)}


def typed_as(program: Path, folder: Path) -> str:
    """The words that start a program from a folder.

    They are its name if the file is not there, or if the shell finds a program of that name. On a
    systemd host that is another one, which is right. Another Python lacks our packages.
    """
    found, path = shutil.which(program.name), Path(os.path.abspath(program))
    is_usable = found is not None and (program.name != PYTHON or Path(found) == path)
    if is_usable or not program.exists():
        return program.name
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def with_typed_hints(text: str) -> str:
    """The same text, with each command as the reader can type it."""
    return _HINT.sub(lambda found: _typed.get(found[1], found[1]), text) if _typed else text
