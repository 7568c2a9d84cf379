"""Time zones: those that dates can be shown in, and those that are offered."""

import zoneinfo
from functools import cache
from pathlib import Path

# Cached: it opens every file of the time zone database.
known = cache(zoneinfo.available_timezones)


@cache
def offered() -> list[str]:
    """Return UTC and one name for each place.

    The database knows many places by an older name too (Calcutta, Kiev). Its table of places lists the present ones.
    """
    tables = (Path(folder, "zone.tab") for folder in zoneinfo.TZPATH)
    table = next((one for one in tables if one.is_file()), None)
    if table is None:  # a system without the table: every name but "UTC" and its kin, which name no place
        return ["UTC", *sorted(name for name in known() if "/" in name and not name.startswith("Etc/"))]
    lines = (line.split("\t") for line in table.read_text().splitlines() if not line.startswith("#"))
    return ["UTC", *sorted({fields[2] for fields in lines} & known())]
