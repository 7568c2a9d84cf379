"""Pages of studies."""

from django.urls import path

from studies.views import answers, asking, joining, pages

app_name = "studies"
urlpatterns = [
    path("", pages.index, name="list"),
    path("found/", joining.found, name="found"),
    path("<uuid:pk>/", pages.study, name="study"),
    path("<uuid:pk>/join/", joining.join, name="join"),
    path("<uuid:pk>/decline/", pages.decline, name="decline"),
    path("<uuid:pk>/rely/", joining.rely, name="rely"),
    path("<uuid:pk>/leave/", pages.leave, name="leave"),
    path("<uuid:pk>/end/", pages.end, name="end"),
    path("<uuid:pk>/ask/", asking.ask, name="ask"),
    path("<uuid:pk>/price/", asking.price, name="price"),
    path("joint-answers/<uuid:pk>/", answers.answer, name="answer"),
    path("joint-answers/<uuid:pk>/stop/", answers.stop, name="stop"),
    path("joint-answers/<uuid:pk>/download/<slug:form>/", answers.download, name="download"),
    path("joint-answers/<uuid:pk>/receipt/", answers.receipt, name="receipt"),
]
