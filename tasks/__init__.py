"""Celery tasks: ids in, one service call, a sentence for Flower out."""

from tasks import operate, stages, upkeep, watch

__all__ = ["operate", "stages", "upkeep", "watch"]
