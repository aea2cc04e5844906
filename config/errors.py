"""Errors of the configuration. Imports nothing, so that `kontrib --help` stays fast."""

from __future__ import annotations


class ConfigurationUnusable(Exception):
    """Settings are missing or malformed. `problems` has a line for each, without its value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"The configuration is not usable:\n{lines}\n"
            "Set these in the environment or in .env; deploy/env.example lists them all."
        )
