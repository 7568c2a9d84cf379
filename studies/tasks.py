"""Celery tasks of studies."""
