"""The pages of the review lane."""

from django.urls import path

from requests_app.views import comments, editor, inbox, outputs, releases, requests, review, runs, workers

app_name = "requests"
urlpatterns = [
    path("", requests.listing, name="list"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("new/<uuid:dataset_pk>/", editor.new, name="new"),
    path("<uuid:pk>/", requests.detail, name="detail"),
    path("<uuid:pk>/edit/", editor.edit, name="edit"),
    path("<uuid:pk>/draft/", editor.autosave, name="autosave"),
    path("<uuid:pk>/try/", editor.try_on_mock, name="try"),
    path("<uuid:pk>/submit/", editor.submit, name="submit"),
    path("<uuid:pk>/withdraw/", requests.withdraw, name="withdraw"),
    path("<uuid:pk>/revoke/", requests.revoke, name="revoke"),
    path("<uuid:pk>/copy/", editor.copy, name="copy"),
    path("<uuid:pk>/run/", runs.start, name="start_run"),
    path("versions/<uuid:pk>/", review.review, name="review"),
    path("versions/<uuid:pk>/begin/", review.begin, name="begin_review"),
    path("versions/<uuid:pk>/verdict/", review.verdict, name="verdict"),
    path("versions/<uuid:pk>/comments/", comments.comment, name="comment"),
    path("comments/<uuid:pk>/drop/", comments.drop, name="drop_comment"),
    path("comments/<uuid:pk>/resolve/", comments.resolve, name="resolve"),
    path("comments/<uuid:pk>/reopen/", comments.unresolve, name="unresolve"),
    path("runs/<uuid:pk>/", runs.run, name="run"),
    path("runs/<uuid:pk>/log/", runs.log, name="log"),
    path("runs/<uuid:pk>/log/excerpt/", runs.excerpt, name="log_excerpt"),
    path("runs/<uuid:pk>/cancel/", runs.cancel, name="cancel_run"),
    path("releases/<uuid:pk>/", releases.check, name="check"),
    path("releases/<uuid:pk>/begin/", releases.begin, name="begin_check"),
    path("releases/<uuid:pk>/decide/", releases.decide, name="decide"),
    path("releases/<uuid:pk>/recall/", releases.recall, name="recall"),
    path("releases/<uuid:pk>/record/", releases.record, name="record"),
    path("outputs/<uuid:pk>/", outputs.preview, name="output"),
    path("outputs/<uuid:pk>/verdict/", outputs.verdict, name="output_verdict"),
    path("outputs/<uuid:pk>/download/", outputs.download, name="download"),
    path("workers/", workers.workers, name="workers"),
    path("workers/pause/", workers.pause, name="pause"),
    path("workers/resume/", workers.resume, name="resume"),
    path("workers/<uuid:pk>/drain/", workers.drain, name="drain"),
    path("workers/<uuid:pk>/undrain/", workers.undrain, name="undrain"),
]
