"""Datasets: what is published, its immutable revisions, and who may know of it."""

from datasets.models.content import Column, Revision, Table, Upload
from datasets.models.publishing import NAME, AccessRequest, Dataset, DatasetReviewer, Grant, Terms

__all__ = [
    "NAME",
    "AccessRequest",
    "Column",
    "Dataset",
    "DatasetReviewer",
    "Grant",
    "Revision",
    "Table",
    "Terms",
    "Upload",
]
