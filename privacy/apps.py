from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "privacy"

    def ready(self) -> None:
        from accounts import hooks  # noqa: PLC0415 -- models are loaded by now
        from privacy import rules  # noqa: PLC0415

        hooks.register(objection=rules.keeps_duties_apart)
