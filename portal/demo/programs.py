"""The programs that the demo's scientists have sent. Each is what a reviewer would meet on a working day."""

UNION = '''\
import pandas as pd


def main(wages):
    """How much more union members earn, year by year."""
    groups = wages.groupby(["year", "union"])["lwage"].agg(["mean", "size"]).reset_index()
    wide = groups.pivot(index="year", columns="union", values="mean")
    premium = (wide[True] - wide[False]).rename("premium").reset_index()
    people = wages.groupby("year")["person"].nunique().rename("people").reset_index()
    return {"premium": premium.merge(people, on="year"), "overall": float(premium["premium"].mean())}
'''

SCHOOLING = '''\
import numpy as np


def main(wages):
    """Returns to schooling: log wage on schooling and experience, one observation a person (1987)."""
    last = wages[wages["year"] == 1987]
    x = np.column_stack([np.ones(len(last)), last["educ"], last["exper"], last["exper"] ** 2])
    beta, *_ = np.linalg.lstsq(x, last["lwage"], rcond=None)
    names = ["intercept", "educ", "exper", "exper_squared"]
    return {name: round(float(value), 4) for name, value in zip(names, beta)}
'''

OCCUPATIONS_FIRST = '''\
def main(wages):
    """Wages by occupation and region."""
    cells = wages.groupby(["occupation", "region", "year"])["lwage"]
    return {"cells": cells.agg(["min", "max", "mean", "size"]).reset_index()}
'''

OCCUPATIONS_SECOND = '''\
SMALLEST = 25


def main(wages):
    """Mean wages by occupation, years together, small cells left out."""
    cells = wages.groupby("occupation").agg(mean=("lwage", "mean"), people=("person", "nunique"))
    return {"cells": cells[cells["people"] >= SMALLEST].round(3).reset_index()}
'''

HOURS = '''\
def main(wages):
    """Do married men work longer hours?"""
    means = wages.groupby("married")["hours"].mean().round(0)
    return {"married": float(means[True]), "single": float(means[False])}
'''

TOP_EARNERS = '''\
def main(wages):
    """The twenty best paid, with everything we know of them."""
    return {"top": wages.sort_values("lwage", ascending=False).head(20)}
'''

REGIONS = '''\
def main(wages):
    """Mean log wage by region and year."""
    return {"regions": wages.groupby(["region", "year"])["lwage"].mean().round(3).reset_index()}
'''

BROKEN = '''\
def main(wages):
    """Wage growth by industry (the column is not in this revision)."""
    return {"growth": wages.groupby("industry")["lwage"].mean()}
'''

CONVERGENCE = '''\
def main(wages):
    """Does the spread of wages narrow with experience?"""
    spread = wages.groupby("exper")["lwage"].agg(["std", "size"])
    return {"spread": spread[spread["size"] >= 50].round(3).reset_index()}
'''

QUITTING = '''\
import numpy as np


def main(health):
    """Weight gained between 1971 and 1982 by those who gave up smoking and those who did not."""
    health = health.assign(gain=health["wt82"] - health["wt71"])
    groups = health.groupby("qsmk")["gain"].agg(["mean", "std", "size"])
    difference = groups["mean"][True] - groups["mean"][False]
    error = np.sqrt((groups["std"] ** 2 / groups["size"]).sum())
    return {
        "difference_kg": round(float(difference), 2),
        "standard_error_kg": round(float(error), 2),
        "people": int(groups["size"].sum()),
    }
'''

EXERCISE = '''\
def main(health):
    """Survival by exercise and smoking."""
    share = health.groupby(["exercise", "qsmk"])["death"].agg(["mean", "size"]).round(3)
    return {"survival": share.reset_index()}
'''

ASTHMA = '''\
def main(health):
    """Asthma by age in years and sex."""
    return {"asthma": health.groupby(["age", "sex"])["asthma"].agg(["sum", "size"]).reset_index()}
'''

PRESSURE = '''\
def main(health):
    """Blood pressure by age group, ten years wide."""
    group = (health["age"] // 10 * 10).rename("from_age")
    table = health.groupby(group)["sbp"].agg(["mean", "count"]).round(1)
    return {"pressure": table[table["count"] >= 20].reset_index()}
'''

WEIGHT = '''\
def main(health):
    """Mean weight by exercise."""
    means = health.groupby("exercise")["wt82"].mean()
    return {name: float(value) for name, value in means.items()}
'''
