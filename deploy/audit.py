"""`make audit`: looks the locked packages up in the public advisory databases.

pip-audit reports "no known vulnerabilities" for a package without advisories on a mirror. This
script counts such packages as not looked up. Exit codes: 0 nothing found, or the databases cannot
be reached (printed in capitals); 1 a vulnerability.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
SECONDS_MAX = 300
FOUND = 1


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of an audit. `packages` is 0 if no package could be looked up."""

    packages: int
    skipped: int
    vulnerabilities: tuple[str, ...]

    @property
    def sentence(self) -> str:
        if self.skipped == self.packages:
            return "NOTHING WAS AUDITED: the advisory databases cannot be reached from here."
        listed = "\n".join(f"  {each}" for each in self.vulnerabilities)
        found = f"{len(self.vulnerabilities)} known vulnerabilities"
        if listed:
            found += f":\n{listed}"
        looked_up = f"{self.packages - self.skipped} of {self.packages} packages looked up"
        return f"{looked_up}, {found}"

    @property
    def exit_code(self) -> int:
        return FOUND if self.vulnerabilities else 0


def read(output: str) -> Audit:
    """Parse the JSON output of pip-audit. Without valid JSON the audit is empty."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(0, 0, ())
    return Audit(
        packages=len(dependencies),
        skipped=sum("skip_reason" in each for each in dependencies),
        vulnerabilities=tuple(
            f"{each['name']} {each['version']}: {found['id']}, "
            f"fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
            for each in dependencies
            for found in each.get("vulns", ())
        ),
    )


def main() -> int:
    """Run pip-audit, print its outcome, and return the exit code."""
    command = ["pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
            [sys.executable, "-m", *command, "--format", "json", "-r", str(LOCK)],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        audit = Audit(0, 0, ())
    else:
        audit = read(done.stdout)
    sys.stdout.write(audit.sentence + "\n")
    return audit.exit_code


if __name__ == "__main__":
    sys.exit(main())
