"""A part of `make check`: limits the size of folders, modules, classes and functions.

Prints every place beyond a limit. Exit codes: 0 all within the limits; 1 otherwise.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("worker", "tasks", "config", "deploy", "bench")
FOLDERS = (*CODE, "tests")

MODULES_MAX = 15
"""Modules in one folder, `__init__.py` included."""
MODULE_LINES_MAX = 300
CLASS_LINES_MAX = 150
FUNCTION_LINES_MAX = 50


def beyond_limits(root: Path) -> list[str]:
    """A line for each folder, module, class and function beyond its limit."""
    found = [line for name in FOLDERS for line in _large_folders(root, root / name)]
    for name in CODE:
        for path in sorted((root / name).rglob("*.py")):
            found += _large_parts(str(path.relative_to(root)), path.read_text())
        for path in sorted((root / name).rglob("*.mjs")):
            found += _large_module(str(path.relative_to(root)), path.read_text())
    return found


def _large_folders(root: Path, top: Path) -> Iterator[str]:
    modules = Counter(path.parent for path in top.rglob("*") if path.suffix in (".py", ".mjs"))
    for folder, count in sorted(modules.items()):
        if count > MODULES_MAX:
            yield f"{folder.relative_to(root)}/: {count} modules, at most {MODULES_MAX}"


def _large_module(path: str, text: str) -> Iterator[str]:
    if (lines := len(text.splitlines())) > MODULE_LINES_MAX:
        yield f"{path}: {lines} lines, at most {MODULE_LINES_MAX}"


def _large_parts(path: str, text: str) -> Iterator[str]:
    yield from _large_module(path, text)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_class = isinstance(node, ast.ClassDef)
        most = CLASS_LINES_MAX if is_class else FUNCTION_LINES_MAX
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > most:
            kind = "class" if is_class else "function"
            yield f"{path}:{node.lineno}: {kind} {node.name} has {lines} lines, at most {most}"


def main() -> int:
    """Print the lines of `beyond_limits`, and return the exit code."""
    found = beyond_limits(ROOT)
    for line in found:
        sys.stdout.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
