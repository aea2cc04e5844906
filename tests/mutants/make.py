"""Makes the mutants: mutmut writes them into `mutants/`, and mypy reads them once.

Only this module and `results.py` know mutmut's own modules.
"""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from mutmut.__main__ import create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.file_mutation import filter_mutants_with_type_checker
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, walk_mutatable_files

REFUSED_BY_MYPY = 37


def make_mutants(workers: int) -> None:
    """Write the mutants of all functions, and mark those that mypy refuses.

    A function that did not change since the last run keeps the results of its mutants.
    """
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    shutil.rmtree("mutants/tests", ignore_errors=True)  # some may have been renamed since
    copy_src_dir()
    copy_also_copy_files()
    create_mutants(workers)
    if any(code is None for data in _files() for code in data.exit_code_by_key.values()):
        refused = filter_mutants_with_type_checker()
        _mark(lambda name, code: REFUSED_BY_MYPY if name in refused else code)


def forget_results(patterns: Iterable[str]) -> None:
    """Have the mutants whose name matches tried again."""
    chosen = list(patterns)

    def forget(name: str, code: int | None) -> int | None:
        matches = any(fnmatch.fnmatchcase(name, pattern) for pattern in chosen)
        return None if matches and code != REFUSED_BY_MYPY else code

    _mark(forget)


def _files() -> list[SourceFileMutationData]:
    found = [SourceFileMutationData(path=path) for path in walk_mutatable_files()]
    for data in found:
        data.load()
    return found


def _mark(new_code: Callable[[str, int | None], int | None]) -> None:
    for data in _files():
        codes = data.exit_code_by_key
        data.exit_code_by_key = {name: new_code(name, code) for name, code in codes.items()}
        data.save()
