"""The addresses of the audit log in the REST API."""

from django.urls import path

from audit.api import entries

urlpatterns = [
    path("audit/", entries.Audit.as_view(), name="audit"),
    path("audit/<uuid:pk>/", entries.AuditEntry.as_view(), name="audit_entry"),
    path("audit/export/", entries.AuditExport.as_view(), name="audit_export"),
]
