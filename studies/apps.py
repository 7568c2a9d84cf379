from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"

    def ready(self) -> None:
        """Have `verify_ledger` check legs as well, and let open pages watch studies and joint answers."""
        from privacy.ledgers import verification  # noqa: PLC0415 -- models are loaded by now
        from requests_app import consumers  # noqa: PLC0415
        from studies.models import JointAnswer, Study  # noqa: PLC0415
        from studies.services import leg_checks  # noqa: PLC0415

        if leg_checks.faults not in verification.checks:
            verification.checks.append(leg_checks.faults)
        consumers.VISIBLE |= {
            "study": Study.objects.visible_to,
            "joint": JointAnswer.objects.visible_to,
        }
