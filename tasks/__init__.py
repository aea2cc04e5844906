"""Celery tasks: ids in, one service call, a sentence for Flower out."""

from tasks import operate, stages, watch

__all__ = ["operate", "stages", "watch"]
