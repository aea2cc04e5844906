"""Makes the page that shows and verifies bundles: one file that needs no other.

The page is the same for every week and every operator. It holds no data: it reads the bundle's
files in the visitor's browser.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from functools import cache
from pathlib import Path

MARK = '<meta name="generator" content="kontrib">'
"""Every page has it, so that no other page is taken for one."""
_FOLDER = Path(__file__).parent
_REPORT_STYLE = _FOLDER.parent / "report" / "templates" / "style.css"
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.\.?/[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async |class |const |function )", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:class|const|function|let) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^\s*(?:import|export)\b", re.MULTILINE)


@cache
def proof_page() -> str:
    """The page's HTML."""
    style = _REPORT_STYLE.read_text() + (_FOLDER / "view" / "page.css").read_text()
    script, worker = _script("page.mjs"), _script("worker.mjs")
    parts = {"style": style, "script": script, "worker": worker, "policy": _policy(style, script)}
    page = (_FOLDER / "view" / "page.html").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)


def joined_modules(entry: Path) -> str:
    """A module and all modules that it imports, as one script, each after those that it needs.

    A page that was opened as a file may neither load modules nor start a worker that is one.
    """
    texts: dict[Path, str] = {}
    _collect(entry.resolve(), texts)
    names = Counter(name for text in texts.values() for name in _NAME.findall(text))
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"the modules of {entry.name} have the name '{name}' twice")
    return '"use strict";\n' + "".join(texts.values())


def _collect(module: Path, texts: dict[Path, str]) -> None:
    text = module.read_text()
    for name in _IMPORT.findall(text):
        needed = (module.parent / name).resolve()
        if needed not in texts:
            _collect(needed, texts)
    body = _EXPORT.sub("", _IMPORT.sub("", text))
    if _LEFT.search(body):
        raise ValueError(f"{module.name} imports or exports in a form that cannot be joined")
    texts[module] = body


def _script(name: str) -> str:
    text = joined_modules(_FOLDER / "view" / name)
    # Either would end the script's element, or change how its end is found.
    if "</script" in text or "<!--" in text:
        raise ValueError(f"{name} cannot be written into a page")
    return text


def _policy(style: str, script: str) -> str:
    """The content security policy: this style and script, a worker, and data from here and HTTPS.

    The visitor may name any endpoint, so that every host may be asked. Strings never become HTML or
    a script's address, but for the address of the worker.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "worker-src blob:",
            "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types worker",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
