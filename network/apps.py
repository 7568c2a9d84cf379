from django.apps import AppConfig


class NetworkConfig(AppConfig):
    name = "network"

    def ready(self) -> None:
        """Let the first signed word of an invited portal make it active."""
        from network import calls  # noqa: PLC0415 -- models are loaded by now
        from network.services import peers  # noqa: PLC0415

        if peers.heard_from not in calls.on_heard:
            calls.on_heard.append(peers.heard_from)
