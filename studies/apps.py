from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"

    def ready(self) -> None:
        """Have `verify_ledger` check legs as well."""
        from privacy.ledgers import verification  # noqa: PLC0415 -- models are loaded by now
        from studies.services import leg_checks  # noqa: PLC0415

        if leg_checks.faults not in verification.checks:
            verification.checks.append(leg_checks.faults)
