"""Addresses of the pages about datasets."""

from django.urls import path

from datasets.views import catalogue, codebooks, ownership, people, readings, revisions, uploads

app_name = "datasets"
urlpatterns = [
    path("", catalogue.index, name="list"),
    path("new/", ownership.create, name="create"),
    path("<uuid:pk>/", catalogue.detail, name="detail"),
    path("<uuid:pk>/preview/", catalogue.preview, name="preview"),
    path("<uuid:pk>/mock/<slug:table>/<slug:form>/", catalogue.download_mock, name="mock"),
    path("<uuid:pk>/codebook/<slug:table>/", codebooks.published, name="published_codebook"),
    path("<uuid:pk>/describe/", ownership.describe, name="describe"),
    path("<uuid:pk>/policy/", ownership.policy, name="policy"),
    path("<uuid:pk>/activity/", ownership.activity, name="activity"),
    path("<uuid:pk>/freeze/", ownership.use, {"verb": "freeze"}, name="freeze"),
    path("<uuid:pk>/unfreeze/", ownership.use, {"verb": "unfreeze"}, name="unfreeze"),
    path("<uuid:pk>/retire/", ownership.use, {"verb": "retire"}, name="retire"),
    path("<uuid:pk>/content/", revisions.content, name="content"),
    path("<uuid:pk>/content/begin/", revisions.begin_revision, name="begin_revision"),
    path("<uuid:pk>/publish/", revisions.publish, name="publish"),
    path("revisions/<uuid:pk>/discard/", revisions.discard, name="discard"),
    path("revisions/<uuid:pk>/retire/", revisions.retire_revision, name="retire_revision"),
    path("tables/<uuid:pk>/", revisions.declare, name="declare"),
    path("tables/<uuid:pk>/codebook/", codebooks.codebook, name="codebook"),
    path("tables/<uuid:pk>/codebook.csv", codebooks.download, name="codebook_csv"),
    path("tables/<uuid:pk>/rows/", revisions.rows, name="rows"),
    path("tables/<uuid:pk>/keep/", revisions.keep_table, name="keep_table"),
    path("tables/<uuid:pk>/remove/", revisions.remove_table, name="remove_table"),
    path("<uuid:pk>/uploads/", uploads.begin, name="begin_upload"),
    path("<uuid:pk>/uploads/plain/", uploads.plain, name="plain_upload"),
    path("uploads/<uuid:pk>/", uploads.upload, name="upload"),
    path("uploads/<uuid:pk>/reading/", readings.reading, name="reading"),
    path("uploads/<uuid:pk>/retry/", uploads.retry, name="retry_upload"),
    path("uploads/<uuid:pk>/cancel/", uploads.cancel, name="cancel_upload"),
    path("<uuid:pk>/people/", people.people, name="people"),
    path("<uuid:pk>/reviewers/", people.add_reviewer, name="add_reviewer"),
    path("reviewers/<uuid:pk>/remove/", people.remove_reviewer, name="remove_reviewer"),
    path("<uuid:pk>/transfer/", people.transfer, name="transfer"),
    path("<uuid:pk>/ask/", people.ask, name="ask"),
    path("access/<uuid:pk>/", people.access, name="access"),
    path("access/<uuid:pk>/decide/", people.decide, name="decide"),
    path("access/<uuid:pk>/withdraw/", people.withdraw, name="withdraw"),
    path("grants/<uuid:pk>/revoke/", people.revoke, name="revoke"),
]
