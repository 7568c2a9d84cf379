"""OpenDP's Context over Polars, user level: rows of a person are truncated; keys and bounds on lengths are public.

With `mechanism` "gaussian" the promise is zCDP, otherwise pure epsilon (Laplace noise).
"""

from typing import Any

import opendp.prelude as dp
import polars as pl
from asking import Prepare, Release, run

BOUNDS = (0.0, 1000.0)


def start(job: dict[str, Any]) -> Prepare:
    dp.enable_features("contrib")
    gaussian = job["mechanism"] == "gaussian"
    loss = dp.loss_of(rho=job["rho"]) if gaussian else dp.loss_of(epsilon=job["epsilon"])
    unit = dp.unit_of(contributions=1, identifier=pl.col("person"))
    keys = pl.LazyFrame({"g": job["groups"]})
    data = pl.scan_parquet(job["data"]).select("person", "v", "g")
    margins = [
        dp.polars.Margin(max_length=job["rows"]),
        dp.polars.Margin(by=[pl.col("g")], max_length=2 * job["rows"] // len(job["groups"])),
    ]
    value = pl.col("v").dp

    def prepare(query: str) -> Release:
        context = dp.Context.compositor(
            data=data, privacy_unit=unit, privacy_loss=loss, split_evenly_over=1, margins=margins
        )
        rows = context.query().truncate_per_group(job["rows_each"], keep="first")
        match query:
            case "count":
                asked = rows.select(dp.len(signed=True))
            case "sum":
                asked = rows.select(value.sum(BOUNDS))
            case "mean":
                asked = rows.select(value.mean(BOUNDS))
            case "histogram":
                asked = rows.group_by("g").agg(dp.len(signed=True)).with_keys(keys)
            case _:
                asked = rows.group_by("g").agg(value.mean(BOUNDS)).with_keys(keys)
        measurement = asked.resolve()
        return lambda: told(measurement(data).collect())

    return prepare


def told(found: pl.DataFrame) -> dict[str, float]:
    if "g" not in found.columns:
        return {"": found.item()}
    other = next(name for name in found.columns if name != "g")
    return dict(zip(found["g"].to_list(), found[other].to_list(), strict=True))


if __name__ == "__main__":
    run(start)
