"""Celery tasks: ids in, one service call, a sentence for Flower out."""

from tasks import operate, stages

__all__ = ["operate", "stages"]
