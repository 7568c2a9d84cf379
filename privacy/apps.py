from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "privacy"

    def ready(self) -> None:
        from accounts import hooks as accounts_hooks  # noqa: PLC0415 -- models are loaded by now
        from datasets import hooks as datasets_hooks  # noqa: PLC0415
        from privacy import people, rules  # noqa: PLC0415

        accounts_hooks.register(objection=rules.keeps_duties_apart)
        datasets_hooks.object_to_publishing(people.objections)
        datasets_hooks.look_at_publishing(remark=people.remarks, publishing=people.publishing)
