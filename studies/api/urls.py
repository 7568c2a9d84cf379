"""The addresses of studies and joint answers in the REST API."""

from django.urls import path

from studies.api import questions, studies

urlpatterns = [
    path("studies/", studies.Studies.as_view(), name="studies"),
    path("studies/conditions/", studies.StudyDraft.as_view(), name="study_draft"),
    path("studies/<uuid:pk>/", studies.Study.as_view(), name="study"),
    path("studies/<uuid:pk>/conditions/", studies.StudyConditions.as_view(), name="study_conditions"),
    path("studies/<uuid:pk>/join/", studies.StudyJoin.as_view(), name="study_join"),
    path("studies/<uuid:pk>/rely/", studies.StudyRely.as_view(), name="study_rely"),
    path("studies/<uuid:pk>/decline/", studies.StudyDecline.as_view(), name="study_decline"),
    path("studies/<uuid:pk>/leave/", studies.StudyLeave.as_view(), name="study_leave"),
    path("studies/<uuid:pk>/end/", studies.StudyEnd.as_view(), name="study_end"),
    path("studies/<uuid:pk>/standings/", questions.StudyStandings.as_view(), name="study_standings"),
    path("studies/<uuid:pk>/prices/", questions.StudyPrices.as_view(), name="study_prices"),
    path("studies/<uuid:pk>/answers/", questions.StudyAnswers.as_view(), name="study_answers"),
    path("joint-answers/", questions.JointAnswers.as_view(), name="joint_answers"),
    path("joint-answers/<uuid:pk>/", questions.JointAnswer.as_view(), name="joint_answer"),
    path("joint-answers/<uuid:pk>/stop/", questions.JointAnswerStop.as_view(), name="joint_answer_stop"),
    path(
        "joint-answers/<uuid:pk>/receipt/",
        questions.JointAnswerReceipt.as_view(),
        name="joint_answer_receipt",
    ),
]
