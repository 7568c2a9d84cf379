"""The addresses of the review lane in the REST API."""

from django.urls import path

from requests_app.api import comments, outputs, releases, requests, runs, versions

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
    path("runs/<uuid:pk>/log/excerpt/", outputs.RunLogExcerpt.as_view(), name="run_log_excerpt"),
    path("runs/<uuid:pk>/outputs/", outputs.RunOutputs.as_view(), name="run_outputs"),
    path("releases/", releases.Releases.as_view(), name="releases"),
    path("releases/<uuid:pk>/", releases.OneRelease.as_view(), name="release"),
    path("releases/<uuid:pk>/begin/", releases.ReleaseBegin.as_view(), name="release_begin"),
    path("releases/<uuid:pk>/decide/", releases.ReleaseDecide.as_view(), name="release_decide"),
    path("releases/<uuid:pk>/recall/", releases.ReleaseRecall.as_view(), name="release_recall"),
    path("releases/<uuid:pk>/record/", releases.ReleaseRecord.as_view(), name="release_record"),
    path("outputs/<uuid:pk>/", outputs.OneOutput.as_view(), name="output"),
    path("outputs/<uuid:pk>/file/", outputs.OutputFile.as_view(), name="output_file"),
    path("outputs/<uuid:pk>/preview/", outputs.OutputPreview.as_view(), name="output_preview"),
    path("outputs/<uuid:pk>/decision/", outputs.OutputDecision.as_view(), name="output_decision"),
]
