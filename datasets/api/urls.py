"""The addresses of datasets in the REST API."""

from django.urls import path

from datasets.api import catalogue, ownership

urlpatterns = [
    path("datasets/", catalogue.Datasets.as_view(), name="datasets"),
    path("datasets/<uuid:pk>/", catalogue.Dataset.as_view(), name="dataset"),
    path("datasets/<uuid:pk>/schema/", catalogue.DatasetSchema.as_view(), name="dataset_schema"),
    path(
        "datasets/<uuid:pk>/mock/<slug:table>.parquet",
        catalogue.MockParquet.as_view(),
        name="dataset_mock_parquet",
    ),
    path("datasets/<uuid:pk>/mock/<slug:table>.csv", catalogue.MockCsv.as_view(), name="dataset_mock_csv"),
    path("datasets/<uuid:pk>/terms/", ownership.DatasetTerms.as_view(), name="dataset_terms"),
    path("datasets/<uuid:pk>/freeze/", ownership.FreezeDataset.as_view(), name="dataset_freeze"),
    path("datasets/<uuid:pk>/unfreeze/", ownership.UnfreezeDataset.as_view(), name="dataset_unfreeze"),
    path("datasets/<uuid:pk>/retire/", ownership.RetireDataset.as_view(), name="dataset_retire"),
]
