"""Files and folders that survive a power cut: a new name counts once its folder is flushed, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def flush_file(file: Any) -> None:
    """Write an open file's content to the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder that is missing, with its parents. `mode` is the last one's."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for each in reversed(new):
        flush_folder(each.parent)


def put_in_place(draft: Path, target: Path) -> None:
    """Give a flushed file its final name."""
    draft.replace(target)
    flush_folder(target.parent)
