from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "requests_app"
    label = "requests_app"
    verbose_name = "Requests"

    def ready(self) -> None:
        from accounts import hooks as accounts_hooks  # noqa: PLC0415 -- models are loaded by now
        from common import code_environments  # noqa: PLC0415
        from datasets import hooks as datasets_hooks  # noqa: PLC0415
        from requests_app import rules  # noqa: PLC0415
        from requests_app.environments import builds  # noqa: PLC0415
        from requests_app.execution import cancellation  # noqa: PLC0415
        from requests_app.models import CodeEnvironment  # noqa: PLC0415

        accounts_hooks.register(
            suspended=cancellation.person_suspended,
            role_taken=cancellation.role_taken,
            objection=rules.keeps_duties_apart,
        )
        datasets_hooks.register(
            revision_retired=cancellation.revision_retired,
            frozen=cancellation.dataset_frozen,
            access_ended=cancellation.access_ended,
        )
        code_environments.register(
            names=CodeEnvironment.objects.names_on_offer, use=builds.use_of_environment
        )
