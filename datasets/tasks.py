"""Celery tasks, one line each."""

from uuid import UUID

from celery import shared_task

from datasets import execution, mock_files


@shared_task(ignore_result=True)
def read_upload(pk: str) -> None:
    execution.read_upload(UUID(pk))


@shared_task(ignore_result=True)
def sweep_uploads() -> None:
    for pk in execution.sweep():
        read_upload.delay(str(pk))


@shared_task(ignore_result=True)
def make_mocks(pk: str) -> None:
    mock_files.make_missing(pk)
