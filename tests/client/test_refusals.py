"""Wrong uses are refused where they are written, each with a sentence that says what to write instead."""

import math
import pickle
import statistics

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.client.refusals import REFUSED
from weir import WeirError, demo


def names():
    t = demo.table()
    columns = dict(
        zip("weyrubx", (t["wage"], t.education, t.year, t.region, t.union, t.born, t.employer), strict=True)
    )
    modules = {"np": np, "pd": pd, "scipy": scipy, "math": math, "pickle": pickle, "statistics": statistics}
    local = {"a": np.arange(3.0), "d": pd.DataFrame({"v": [1.0, 2.0]})}
    return {**columns, **modules, **local, "t": t, "q": t.wage.mean(), "other": demo.table()}


@pytest.mark.parametrize(("written", "refusal", "instead"), REFUSED, ids=[line[0] for line in REFUSED])
def test_a_wrong_use_says_what_to_write_instead(written, refusal, instead):
    with pytest.raises(refusal) as refused:
        eval(written, names())  # noqa: S307 -- the table above
    assert instead in str(refused.value)
    assert str(refused.value).endswith((".", "…)", ")"))


def test_there_are_many_and_no_sentence_is_empty():
    assert len({line[0] for line in REFUSED}) == len(REFUSED) > 72
    sentences = set()
    for written, refusal, _ in REFUSED:
        with pytest.raises(refusal) as refused:
            eval(written, names())  # noqa: S307 -- the table above
        assert isinstance(refused.value, WeirError)
        sentences.add(str(refused.value))
        assert len(str(refused.value)) >= 30
    assert len(sentences) > 100
