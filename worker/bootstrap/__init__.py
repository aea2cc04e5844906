"""The only place where adapters meet services. One module for each part of the outside world.

Commands import a module inside their function, so that each loads only the libraries it needs.
"""
