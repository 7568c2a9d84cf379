"""The addresses of datasets in the REST API."""

from django.urls import path

from datasets.api import catalogue, codebooks, ownership, people, readings, revisions, tables, uploads

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
    path(
        "datasets/<uuid:pk>/codebook/<slug:table>.csv",
        codebooks.PublishedCodebook.as_view(),
        name="dataset_codebook",
    ),
    path("datasets/<uuid:pk>/terms/", ownership.DatasetTerms.as_view(), name="dataset_terms"),
    path("datasets/<uuid:pk>/freeze/", ownership.FreezeDataset.as_view(), name="dataset_freeze"),
    path("datasets/<uuid:pk>/unfreeze/", ownership.UnfreezeDataset.as_view(), name="dataset_unfreeze"),
    path("datasets/<uuid:pk>/retire/", ownership.RetireDataset.as_view(), name="dataset_retire"),
    path("datasets/<uuid:pk>/revisions/", revisions.Revisions.as_view(), name="revisions"),
    path("revisions/<uuid:pk>/", revisions.Revision.as_view(), name="revision"),
    path("revisions/<uuid:pk>/publish/", revisions.PublishRevision.as_view(), name="revision_publish"),
    path("revisions/<uuid:pk>/discard/", revisions.DiscardRevision.as_view(), name="revision_discard"),
    path("revisions/<uuid:pk>/retire/", revisions.RetireRevision.as_view(), name="revision_retire"),
    path("tables/<uuid:pk>/", tables.Table.as_view(), name="table"),
    path("tables/<uuid:pk>/codebook/", codebooks.TableCodebook.as_view(), name="table_codebook"),
    path("tables/<uuid:pk>/codebook.csv", codebooks.TableCodebookCsv.as_view(), name="table_codebook_csv"),
    path("tables/<uuid:pk>/keep/", tables.KeepTable.as_view(), name="table_keep"),
    path("datasets/<uuid:pk>/uploads/", uploads.Uploads.as_view(), name="uploads"),
    path("uploads/<uuid:pk>/", uploads.Upload.as_view(), name="upload"),
    path("uploads/<uuid:pk>/reread/", readings.ReadUploadAgain.as_view(), name="upload_reread"),
    path("uploads/<uuid:pk>/retry/", uploads.RetryUpload.as_view(), name="upload_retry"),
    path("datasets/<uuid:pk>/access/", people.AccessRequests.as_view(), name="access_requests"),
    path("access/<uuid:pk>/", people.AccessRequest.as_view(), name="access_request"),
    path("access/<uuid:pk>/decide/", people.DecideAccess.as_view(), name="access_request_decide"),
    path("access/<uuid:pk>/withdraw/", people.WithdrawAccess.as_view(), name="access_request_withdraw"),
    path("datasets/<uuid:pk>/grants/", people.Grants.as_view(), name="grants"),
    path("grants/<uuid:pk>/", people.Grant.as_view(), name="grant"),
    path("datasets/<uuid:pk>/reviewers/", people.Reviewers.as_view(), name="reviewers"),
    path("reviewers/<uuid:pk>/", people.Reviewer.as_view(), name="reviewer"),
]
