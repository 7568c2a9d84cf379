from django.apps import AppConfig


class NetworkConfig(AppConfig):
    name = "network"

    def ready(self) -> None:
        from network import calls  # noqa: PLC0415 -- models are loaded now
        from network.services import peers  # noqa: PLC0415

        calls.on_heard.append(peers.heard_from)
