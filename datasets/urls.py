"""The pages of datasets."""

from django.urls import URLPattern, path

from datasets import views

app_name = "datasets"
urlpatterns: list[URLPattern] = [
    path("", views.index, name="list"),
    path("<uuid:pk>/", views.detail, name="detail"),
    path("access/<uuid:pk>/", views.access, name="access"),
]
