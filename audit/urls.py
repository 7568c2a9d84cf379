"""Addresses of the audit log."""

from django.urls import path

from audit import views

app_name = "audit"
urlpatterns = [
    path("", views.entries, name="list"),
    path("export/", views.export, name="export"),
    path("<uuid:pk>/", views.entry, name="entry"),
    path("<uuid:pk>/receipt/", views.receipt, name="receipt"),
]
