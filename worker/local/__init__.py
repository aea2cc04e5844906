"""The embedded default: a MongoDB engine, Redis and a Solana chain on this machine.

For development, tests and the demo. Nothing but the command line and the tests imports it.
"""
