"""Models of datasets, their immutable revisions, and the people who may see and use them."""

from datasets.models.datasets import NAME, AccessRequest, Dataset, DatasetReviewer, Grant, Revision, Terms
from datasets.models.mocks import SampledMock
from datasets.models.tables import BEFORE, READING, SUM, Column, Table, Upload

__all__ = [
    "BEFORE",
    "NAME",
    "READING",
    "SUM",
    "AccessRequest",
    "Column",
    "Dataset",
    "DatasetReviewer",
    "Grant",
    "Revision",
    "SampledMock",
    "Table",
    "Terms",
    "Upload",
]
