"""The review lane: a request for code to run, its versions, reviews, runs, outputs and releases."""

from requests_app.models.environments import CodeEnvironment, EnvironmentQuerySet
from requests_app.models.releases import Look, Output, RefusedOutput, Release, ReleaseQuerySet
from requests_app.models.requests import (
    Approval,
    CodeRequest,
    CodeRequestQuerySet,
    Comment,
    Review,
    Version,
)
from requests_app.models.runs import Run, RunLog, RunQuerySet
from requests_app.models.workers import Pause, Worker, WorkerQuerySet

__all__ = [
    "Approval",
    "CodeEnvironment",
    "CodeRequest",
    "CodeRequestQuerySet",
    "Comment",
    "EnvironmentQuerySet",
    "Look",
    "Output",
    "Pause",
    "RefusedOutput",
    "Release",
    "ReleaseQuerySet",
    "Review",
    "Run",
    "RunLog",
    "RunQuerySet",
    "Version",
    "Worker",
    "WorkerQuerySet",
]
