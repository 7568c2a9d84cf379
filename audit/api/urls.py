"""The addresses of the audit log in the REST API."""

from django.urls import path

from audit.api import entries, signed_log

urlpatterns = [
    path("audit/", entries.Audit.as_view(), name="audit"),
    path("audit/<uuid:pk>/", entries.AuditEntry.as_view(), name="audit_entry"),
    path("audit/<uuid:pk>/receipt/", signed_log.EntryReceipt.as_view(), name="audit_entry_receipt"),
    path("audit/checkpoints/", signed_log.Checkpoints.as_view(), name="audit_checkpoints"),
    path("audit/export/", entries.AuditExport.as_view(), name="audit_export"),
]
