from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        from portal import celery, checks  # noqa: F401, PLC0415 -- registered once apps are loaded
