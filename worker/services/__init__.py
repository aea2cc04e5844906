"""Use cases. They know the ports and the core, and no outside library."""
