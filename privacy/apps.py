from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "privacy"

    def ready(self) -> None:
        from accounts import hooks as accounts_hooks  # noqa: PLC0415 -- models are loaded by now
        from common import code_environments  # noqa: PLC0415
        from datasets import hooks as datasets_hooks  # noqa: PLC0415
        from privacy import queries, rules  # noqa: PLC0415
        from privacy.ledgers import identity  # noqa: PLC0415

        code_environments.register(use=rules.use_of_environment)
        accounts_hooks.register(objection=rules.keeps_duties_apart)
        datasets_hooks.register_automatic(queries.promised_datasets)
        datasets_hooks.register_objections(identity.objections)
        datasets_hooks.register_publishing(remark=identity.remarks, publishing=identity.publishing)
