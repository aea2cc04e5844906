"""Files that several commands share: written whole or not at all, and locked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

GITIGNORE = ".gitignore"


def make_state_folder(path: Path) -> None:
    """Make a folder for a stack's files, which git ignores wherever the folder lies."""
    path.mkdir(parents=True, exist_ok=True)
    ignored = path / GITIGNORE
    if not ignored.exists():
        ignored.write_text("*\n")


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, readable by its owner only (mode 0600)."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def update_lines(path: Path, settings: Mapping[str, str], forget: Collection[str] = ()) -> None:
    """Set NAME=VALUE lines of a file, keep all other lines, and delete an empty file."""
    lines: dict[str, str] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            lines[line.partition("=")[0]] = line
    lines |= {key: f"{key}={value}" for key, value in settings.items()}
    kept = [line for key, line in lines.items() if key not in forget]
    if kept:
        write_atomically(path, "\n".join(kept) + "\n")
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold an exclusive lock between processes. Calls `on_wait` once if another process has it.

    The kernel releases the lock when its holder dies, so a killed command never blocks the next.
    """
    make_state_folder(path.parent)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message; empty if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
