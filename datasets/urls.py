"""The pages of datasets."""

from django.urls import path

from datasets.views import looking, owning, people, preparing, uploading

app_name = "datasets"
urlpatterns = [
    path("", looking.index, name="list"),
    path("new/", owning.create, name="create"),
    path("<uuid:pk>/", looking.detail, name="detail"),
    path("<uuid:pk>/preview/", looking.preview, name="preview"),
    path("<uuid:pk>/mock/<slug:table>/<slug:form>/", looking.download_mock, name="mock"),
    path("<uuid:pk>/describe/", owning.describe, name="describe"),
    path("<uuid:pk>/policy/", owning.policy, name="policy"),
    path("<uuid:pk>/activity/", owning.activity, name="activity"),
    path("<uuid:pk>/freeze/", owning.use, {"verb": "freeze"}, name="freeze"),
    path("<uuid:pk>/unfreeze/", owning.use, {"verb": "unfreeze"}, name="unfreeze"),
    path("<uuid:pk>/retire/", owning.use, {"verb": "retire"}, name="retire"),
    path("<uuid:pk>/content/", preparing.content, name="content"),
    path("<uuid:pk>/content/begin/", preparing.begin_revision, name="begin_revision"),
    path("<uuid:pk>/publish/", preparing.publish, name="publish"),
    path("revisions/<uuid:pk>/discard/", preparing.discard, name="discard"),
    path("revisions/<uuid:pk>/retire/", preparing.retire_revision, name="retire_revision"),
    path("tables/<uuid:pk>/", preparing.declare, name="declare"),
    path("tables/<uuid:pk>/rows/", preparing.rows, name="rows"),
    path("tables/<uuid:pk>/keep/", preparing.keep_table, name="keep_table"),
    path("tables/<uuid:pk>/remove/", preparing.remove_table, name="remove_table"),
    path("<uuid:pk>/uploads/", uploading.begin, name="begin_upload"),
    path("<uuid:pk>/uploads/plain/", uploading.plain, name="plain_upload"),
    path("uploads/<uuid:pk>/", uploading.upload, name="upload"),
    path("uploads/<uuid:pk>/retry/", uploading.retry, name="retry_upload"),
    path("uploads/<uuid:pk>/cancel/", uploading.cancel, name="cancel_upload"),
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
