"""The addresses of the review lane in the REST API."""

from django.urls import path

from requests_app.api import comments, requests, runs, versions

urlpatterns = [
    path("requests/", requests.Requests.as_view(), name="requests"),
    path("requests/<uuid:pk>/", requests.Request.as_view(), name="request"),
    path("requests/<uuid:pk>/findings/", requests.RequestFindings.as_view(), name="request_findings"),
    path("requests/<uuid:pk>/try/", runs.RequestTry.as_view(), name="request_try"),
    path("requests/<uuid:pk>/submit/", versions.RequestSubmit.as_view(), name="request_submit"),
    path("requests/<uuid:pk>/copy/", requests.RequestCopy.as_view(), name="request_copy"),
    path("requests/<uuid:pk>/withdraw/", requests.RequestWithdraw.as_view(), name="request_withdraw"),
    path("requests/<uuid:pk>/revoke/", requests.RequestRevoke.as_view(), name="request_revoke"),
    path("requests/<uuid:pk>/runs/", runs.RequestRuns.as_view(), name="request_runs"),
    path("requests/<uuid:pk>/versions/", versions.RequestVersions.as_view(), name="request_versions"),
    path("versions/<uuid:pk>/", versions.SubmittedVersion.as_view(), name="version"),
    path("versions/<uuid:pk>/diff/", versions.VersionDiff.as_view(), name="version_diff"),
    path("versions/<uuid:pk>/begin/", versions.VersionBegin.as_view(), name="version_begin"),
    path("versions/<uuid:pk>/review/", versions.VersionReview.as_view(), name="version_review"),
    path("versions/<uuid:pk>/comments/", comments.VersionComments.as_view(), name="version_comments"),
    path("comments/<uuid:pk>/", comments.VersionComment.as_view(), name="comment"),
    path("comments/<uuid:pk>/resolve/", comments.CommentResolve.as_view(), name="comment_resolve"),
    path("comments/<uuid:pk>/unresolve/", comments.CommentUnresolve.as_view(), name="comment_unresolve"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<uuid:pk>/", runs.OneRun.as_view(), name="run"),
    path("runs/<uuid:pk>/cancel/", runs.RunCancel.as_view(), name="run_cancel"),
    path("runs/<uuid:pk>/log/", runs.RunLogFile.as_view(), name="run_log"),
]
