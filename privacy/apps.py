from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "privacy"

    def ready(self) -> None:
        from datasets import hooks  # noqa: PLC0415 -- models are loaded by now
        from privacy import people  # noqa: PLC0415

        hooks.object_to_publishing(people.objections)
        hooks.look_at_publishing(remark=people.remarks, publishing=people.publishing)
