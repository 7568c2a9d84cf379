"""Import libraries once, in the fork server, instead of in every block.

The server neither runs nor parses submitted code: it imports a library if its name occurs in the code.
"""

import contextlib
import gc
import importlib
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

POLARS = ("_polars_runtime_compat", "_polars_runtime_64", "_polars_runtime_32")
"""Where polars looks for its compiled part."""
STARTS = "__register_startup_deps"
"""Its function that starts the thread."""

PARTS = {
    "duckdb": (),
    "pyarrow": ("compute",),
    "scipy": (
        "cluster", "fft", "integrate", "interpolate", "linalg", "ndimage", "optimize", "signal", "sparse", "spatial",
        "special", "stats",
    ),
    "sklearn": (
        "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition",
        "discriminant_analysis", "dummy", "ensemble", "feature_extraction", "feature_selection", "gaussian_process",
        "impute", "inspection", "isotonic", "kernel_ridge", "linear_model", "manifold", "metrics", "mixture",
        "model_selection", "multiclass", "multioutput", "naive_bayes", "neighbors", "neural_network", "pipeline",
        "preprocessing", "random_projection", "svm", "tree",
    ),
    "statsmodels": ("api", "formula"),
    "torch": (),
}  # fmt: skip
"""Libraries, and their submodules that are imported by name."""


class Absent:
    """Hides polars, which starts a thread, from libraries that look for it. None in sys.modules would not do:
    scikit-learn takes it for the library."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "polars":
            raise ModuleNotFoundError(f"No module named {name!r} before the fork.", name=name)


hidden = Absent()
deferred: list[Callable[[], object]] = []
"""What starts threads: each child calls it."""


def load(code: str) -> None:
    """Import the libraries and use them once, so that they load what they import lazily."""
    words = set(re.findall(r"\w+", code))
    if "polars" in words:
        _polars()
    if "polars" not in sys.modules:
        sys.meta_path.insert(0, hidden)
    _numpy()
    __import__("pandas")  # every block is a table
    for library, parts in PARTS.items():
        if library in words:
            _import(library, *(part for part in parts if part in words))
    _pandas()
    if "sklearn.linear_model" in sys.modules:
        _sklearn()
    if "torch" in sys.modules:
        _torch()
    gc.collect()
    gc.freeze()  # a child's garbage collector would touch, and so copy, all of it


def after_fork() -> None:
    """In a child: show polars, and start the thread that it needs."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not hidden]
    for start in deferred:
        start()


def _polars() -> None:
    """Import polars without its thread. If this version starts it in another way, each block imports polars itself."""
    for name in POLARS:
        try:
            compiled: Any = importlib.import_module(f"{name}._polars_runtime")
        except ImportError:
            continue
        if hasattr(compiled, STARTS):
            _import_later_started(compiled)
        return


def _import_later_started(compiled: Any) -> None:
    start = getattr(compiled, STARTS)
    setattr(compiled, STARTS, lambda *given: deferred.append(partial(start, *given)))
    _import("polars")
    setattr(compiled, STARTS, start)


def _import(library: str, *parts: str) -> None:
    for name in (library, *(f"{library}.{part}" for part in parts)):
        with contextlib.suppress(
            ImportError
        ):  # not in this environment: the block that imports it gets the error
            __import__(name)


def _numpy() -> None:
    numpy: Any = __import__("numpy")
    numpy.random.default_rng(0).normal(size=3).mean()
    numpy.linalg.lstsq(numpy.eye(2), numpy.ones(2), rcond=None)


def _pandas() -> None:
    """Use every type that a block's columns can have (block_call.py)."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    gaps = numpy.array([False, False, True])
    toy: Any = pandas.DataFrame(
        {
            "a": [1, 1, 2],
            "b": [1.0, 2.0, 3.0],
            "c": pandas.Categorical.from_codes([0, 1, -1], ["x", "y"]),
            "d": pandas.arrays.IntegerArray(numpy.array([1, 2, 3]), gaps),
            "e": pandas.arrays.BooleanArray(numpy.array([True, False, False]), gaps.copy()),
            "f": numpy.array(["2020-01-01", "2020-01-02", "NaT"], "<M8[ms]"),
        }
    )
    toy.groupby("a").b.mean()
    toy.groupby("c", observed=True).d.mean()
    toy[(toy.c == "x") & toy.e].f.dt.year.mean()
    toy.merge(toy, on="a").describe()


def _sklearn() -> None:
    """The first fit inspects all loaded libraries and remembers them."""
    models: Any = sys.modules["sklearn.linear_model"]
    given, classes = [[0.0], [1.0], [2.0]], [0, 1, 1]
    models.LinearRegression().fit(given, classes).predict(given)
    models.LogisticRegression().fit(given, classes)


def _torch() -> None:
    """The first step of an optimiser imports a compiler, which takes longer than torch itself."""
    torch: Any = sys.modules["torch"]
    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    steps = torch.optim.Adam(net.parameters())
    net(torch.ones(3, 1)).square().mean().backward()
    steps.step()
