"""The only package that joins adapters and services.

Each command imports its module inside the function, and so loads only the libraries it needs.
"""
