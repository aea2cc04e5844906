"""Celery tasks: ids in, one service call, a sentence for Flower out."""

from tasks import check, watch, week, wiki

__all__ = ["check", "watch", "week", "wiki"]
