"""The pure rules of the system: standard library only; no clock, I/O or randomness."""
