from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.signin import events  # noqa: PLC0415 -- needs the models, which are loaded now

        events.connect()
