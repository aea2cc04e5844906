"""Celery tasks: ids in, one service call, a sentence for Flower out."""

from tasks import check, operate, stages, upkeep, watch

__all__ = ["check", "operate", "stages", "upkeep", "watch"]
