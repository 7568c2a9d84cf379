"""All attacks, by name."""

from tests.runner.sandbox.attacks import Attack, files, kernel, logs, network, outputs, processes, resources

GROUPS = (network, files, processes, kernel, resources, outputs, logs)
ATTACKS: dict[str, Attack] = {
    f"{attack.group}/{attack.name}": attack for module in GROUPS for attack in module.ATTACKS
}
