from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "datasets"

    def ready(self) -> None:
        from accounts import hooks  # noqa: PLC0415 -- models are loaded by now
        from datasets import queries, rules  # noqa: PLC0415

        hooks.register(objection=rules.keeps_duties_apart, dataset_titles=queries.titles)
