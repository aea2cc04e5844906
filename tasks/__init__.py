"""Celery tasks. Each takes ids, calls one service, and returns a sentence for Flower."""

from tasks import check, watch, week, wiki

__all__ = ["check", "watch", "week", "wiki"]
