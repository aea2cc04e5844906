"""Faults on real processes: workers killed, servers and the ways to them broken, nothing lost."""
