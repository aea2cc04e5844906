"""Faults on real processes: killed workers, broken servers and connections, and nothing lost."""
