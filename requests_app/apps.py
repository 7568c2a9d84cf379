from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "requests_app"
    label = "requests_app"
    verbose_name = "Requests"

    def ready(self) -> None:
        from accounts import hooks as accounts_hooks  # noqa: PLC0415 -- models are loaded by now
        from datasets import hooks as datasets_hooks  # noqa: PLC0415
        from requests_app import rules, stopping  # noqa: PLC0415

        accounts_hooks.register(
            suspended=stopping.person_suspended,
            role_taken=stopping.role_taken,
            objection=rules.keeps_duties_apart,
        )
        datasets_hooks.register(
            revision_retired=stopping.revision_retired,
            frozen=stopping.dataset_frozen,
            access_ended=stopping.access_ended,
        )
