"""bin/launch --network-demo: three portals that know each other, as one tree of processes."""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

from portal.launch import one_portal, options, supervisor
from portal.launch.acting import Acting, acting
from portal.launch.console import Stopwatch, Trouble, say
from portal.launch.one_portal import Launch
from portal.launch.state import State


@dataclass
class NetworkDemo:
    """One run of the three portals, each with its own state, servers and workers."""

    chosen: argparse.Namespace
    watch: Stopwatch = field(default_factory=Stopwatch)
    launches: list[Launch] = field(default_factory=list)

    def __post_init__(self) -> None:
        for each in options.portals(self.chosen):
            watch = Stopwatch(f"{each.demo.capitalize()}: ", self.watch.began)
            self.launches.append(Launch(each, State(each.state), watch, shares=True))

    def run(self) -> None:
        """Start one portal after the other. Each prepares alone, while the processes of the one before start."""
        known = self._know_each_other()
        for launch in self.launches:
            launch.serve()
        self._make_tables()
        for launch in self.launches:
            launch.prepare()
            launch.start_portal()
        for launch in self.launches:
            launch.wait_until_ready()
        with acting(self.launches) as people:
            if known:
                for each in people:
                    each.take("call")
            else:
                self.introduce(people)
        self.announce()
        supervisor.watch([child for launch in self.launches for child in launch.children])

    def stop(self) -> None:
        one_portal.stop(self.launches)

    def introduce(self, people: list[Acting]) -> None:
        """Have the people of the portals introduce them, and North's scientist become a guest at the other two.

        The steps are those of portal.demo.introducing, and a further one is a function there and a line here. All of
        them are taken again if this is interrupted.
        """
        told = [each.take("tell") for each in people]
        for number, each in enumerate(people):
            each.take("introduce", others=[*told[:number], *told[number + 1 :]])
        for each in people:
            each.take("meet", portals=len(people) - 1)
        self.watch.done("The portals know each other")
        north, *others = people
        north.take("ask")
        for each in others:
            each.take("admit")
        north.take("look")
        self.watch.done("North's scientist is a guest at the other two")
        north.take("found_study")
        for each in others:
            each.take("join_study")
        for each in people:
            each.take("look_at_study")
        self.watch.done("All three take part in a study")
        self._note(introduced=True)

    def _make_tables(self) -> None:
        """Make the tables once on the first start, and copy them: migrations take most of the time."""
        first, *others = self.launches
        if all(launch.postgres.is_empty() for launch in self.launches):
            first.migrate()
            for launch in others:
                first.postgres.copy_to(launch.postgres)

    def _know_each_other(self) -> bool:
        """Return whether an earlier start has introduced the portals.

        Raises Trouble if it had other ports: portals know each other by their addresses.
        """
        if not self._file.is_file():
            self.chosen.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._note(introduced=False)
        noted = json.loads(self._file.read_text())
        if noted["port"] != self.chosen.port:
            raise Trouble(
                f"The portals in {self.chosen.state} know each other by their ports, from {noted['port']} on. "
                f"Start with --port {noted['port']}, or choose another folder with --state."
            )
        return bool(noted["introduced"])

    def _note(self, *, introduced: bool) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"port": self.chosen.port, "introduced": introduced}))
        fresh.replace(self._file)

    @property
    def _file(self) -> Path:
        return Path(self.chosen.state, "network-demo.json")

    def announce(self) -> None:
        say(
            f"\nThe network demo is ready after {self.watch.total():.1f} s: three portals that know each other.\n"
        )
        for launch in self.launches:
            say(f"{launch.chosen.demo.capitalize()} Hospital: {launch.state.settings['WEIR_BASE_URL']}")
            for line in launch.welcome["lines"]:
                say(line)
        say(
            "Mei-Ling Chen of North Hospital is a guest at the other two, with a budget at each. Sign in as her:"
        )
        say("Network finds the data of all three, and in the study “smokers” she asks all three at once.\n")
        say(f"All data is stored in {self.chosen.state}. Press Ctrl-C to stop the portals.")
