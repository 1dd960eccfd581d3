"""How exact and how fast the protocols are, in one process on one core.

    OMP_NUM_THREADS=1 python -m benchmarks.protocols [exactness] [speed] [masks] [encoding]

exactness: worst relative difference of federated from pooled, over the splits of the conformance suite.
speed: seconds of a whole federated fit over five sites, masks and wire included, on drawn data.
masks: seconds that encoding and masking take for a million numbers, by the number of sites.
encoding: CPU seconds of all sites' steps behind the gate, and of encoding and of masking what they give.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.core.lockstep import Failure
from protocols.core.protocol import protocol
from protocols.core.table import AnalysisTable
from protocols.exchange import local, secure_sum
from protocols.exchange.keys import public_text
from protocols.exchange.local import run_locally
from protocols.exchange.secure_sum import Member, unmask
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SPLITS, study_of
from tests.reference.pooled import reference


def exactness() -> Iterator[str]:
    """A line a protocol: rounds and the worst relative difference, plain and secure."""
    for name, example in EXAMPLES.items():
        specs = ({"protocol": name, **spec} for spec in example.specs)
        study = study_of(*specs, complete_cases="analysis")  # each as its reference
        worst, rounds = {True: 0.0, False: 0.0}, 0
        for tables in SPLITS.values():
            for secure in worst:
                if secure and len(tables) < 3:
                    continue
                outcome = run_locally(study, tables, secure=secure)
                rounds = max(rounds, outcome.rounds)
                for analysis in study.analyses:
                    if isinstance(outcome.results[analysis.name], Failure):
                        continue
                    pooled = reference(analysis.spec, tables)
                    found = _difference(outcome[analysis.name], pooled, example.federated_only)
                    worst[secure] = max(worst[secure], found)
        yield f"{name:16} rounds {rounds:2}  plain {worst[False]:.1e}  secure {worst[True]:.1e}"


def _difference(ours: Any, theirs: Any, skip: frozenset[str]) -> float:
    worst = 0.0
    for name in vars(theirs):
        if name in skip:
            continue
        a, b = getattr(ours, name), getattr(theirs, name)
        if hasattr(b, "__dataclass_fields__"):
            worst = max(worst, _difference(a, b, skip))
        elif isinstance(b, float | int | np.ndarray) and np.size(b):
            a, b = np.asarray(a, float), np.asarray(b, float)
            # Beside zero a difference is measured by the largest number of its array.
            scale = np.maximum(np.abs(b), 1e-6 * np.nanmax(np.abs(b), initial=1e-300))
            worst = max(worst, float(np.nanmax(np.abs(a - b) / scale, initial=0.0)))
    return worst


def _sites(n: int, columns: Callable[[Any, int], dict[str, Any]], sites: int = 5) -> list[AnalysisTable]:
    rng = np.random.default_rng(0)
    size = n // sites
    return [
        AnalysisTable(f"s{i}", np.arange(size, dtype=np.int64) + i * size, columns(rng, size))
        for i in range(sites)
    ]


def _covariates(rng: Any, n: int, p: int) -> dict[str, Any]:
    x = rng.normal(size=(n, p))
    eta = x[:, : min(p, 10)] @ np.full(min(p, 10), 0.1)
    time_days = np.ceil(rng.exponential(2000 * np.exp(-eta)))
    censored = np.ceil(rng.uniform(1, 4000, n))
    return {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(p)} | {
        "os.time": np.minimum(time_days, censored),
        "os.event": (time_days <= censored).astype(float),
        "idh1": (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float),
    }


def _timed(spec: dict[str, Any], tables: list[AnalysisTable], names: list[str]) -> str:
    numeric = {name: {"kind": "image_feature", "feature": name} for name in names}
    variables = {**numeric, "idh1": {"kind": "gene", "gene": "IDH1"}} | {
        "os": {"kind": "survival", "endpoint": "overall"}
    }
    study = study_of(spec, variables=variables)
    began = time.perf_counter()
    outcome = run_locally(study, tables)
    found = outcome["a0"]
    seconds = f"{time.perf_counter() - began:.2f} s, {outcome.rounds} rounds"
    if spec["protocol"] != "combat":
        return seconds
    began = time.perf_counter()
    for table in tables:
        everybody = np.ones(len(table), dtype=bool)
        protocol("combat").transform(study.spec("a0"), table, everybody, **found.transform_arrays())
    return f"{seconds}; location, scale and adjustment at all sites {time.perf_counter() - began:.2f} s"


def speed() -> Iterator[str]:
    """A line a fit."""
    cox, logistic = {"protocol": "cox", "outcome": "os"}, {"protocol": "logistic", "outcome": "idh1"}
    for n, p, specs in (
        (100_000, 10, (cox, logistic)),
        (100_000, 100, (cox, logistic)),
        (1_000_000, 10, (cox,)),
        (1_000_000, 50, (logistic,)),
    ):
        names = [f"x{j}" for j in range(p)]
        tables = _sites(n, lambda rng, size, p=p: _covariates(rng, size, p))
        for spec in specs:
            yield f"{spec['protocol']:10} {n} x {p}: {_timed({**spec, 'covariates': names}, tables, names)}"
    names = [f"x{j}" for j in range(1000)]
    tables = _sites(10_000, lambda rng, size: _covariates(rng, size, 1000))
    yield f"combat     10000 x 1000: {_timed({'protocol': 'combat', 'features': names}, tables, names)}"


def masks() -> Iterator[str]:
    """A line a number of sites."""
    arrays = {"x": np.random.default_rng(0).normal(size=1_000_000)}
    for n in (3, 10, 50):
        keys = {f"s{i}": X25519PrivateKey.generate() for i in range(n)}
        public = {site: public_text(key.public_key()) for site, key in keys.items()}
        began = time.perf_counter()
        member = Member("s0", keys["s0"], public, public)
        agreed = time.perf_counter()
        masked = member.mask(arrays, "question", 0)
        done = time.perf_counter()
        unmask({"s0": masked, "s1": _opposite(masked)}, {"x": False})
        joined = (time.perf_counter() - done) / 2
        yield (
            f"{n:2} sites: keys {agreed - began:.3f} s, a million numbers {done - agreed:.2f} s a site, "
            f"joined in {joined:.3f} s a site"
        )


def encoding() -> Iterator[str]:
    """A line a fit: what turning its answers into fixed point, and masking them, costs beside the steps."""
    seconds = {"step": 0.0, "mask": 0.0, "encode": 0.0}

    def clocked(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def clock(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return run(*args, **kwargs)
            finally:
                seconds[name] += time.process_time() - began

        return clock

    with (
        patch.object(local, "answer", clocked("step", local.answer)),
        patch.object(Member, "protect", clocked("mask", Member.protect)),
        patch.object(secure_sum, "encode", clocked("encode", secure_sum.encode)),
    ):
        for name, n, p, spec in (
            ("cox", 100_000, 100, {"protocol": "cox", "outcome": "os"}),
            ("logistic", 100_000, 50, {"protocol": "logistic", "outcome": "idh1"}),
            ("combat", 10_000, 1000, {"protocol": "combat"}),
            ("linear", 20_000, 100, {"protocol": "linear", "outcome": "os.time"}),
            ("pca", 20_000, 100, {"protocol": "pca"}),
        ):
            seconds |= dict.fromkeys(seconds, 0.0)
            names = [f"x{j}" for j in range(p)]
            tables = _sites(n, lambda rng, size, p=p: _covariates(rng, size, p))
            if name == "linear":
                spec = {**spec, "outcome": "x0"}
            columns = "features" if name in ("combat", "pca") else "covariates"
            _timed({**spec, columns: names[1:] if name == "linear" else names}, tables, names)
            step, share = seconds["step"], {k: seconds[k] / seconds["step"] for k in ("encode", "mask")}
            yield (
                f"{name:10} {n} x {p}: steps {step:.3f} s, encoding {share['encode']:.1%} of them, "
                f"with masks {share['mask']:.1%}"
            )


def _opposite(masked: Any) -> Any:
    """What makes the sum zero, so that it can be opened."""
    zero = {name: np.zeros_like(array) for name, array in masked.items()}
    out = {name: zero[name] - array for name, array in masked.items()}
    for name, array in masked.items():
        out[name][..., 1] -= array[..., 0] > 0
    return out


if __name__ == "__main__":
    measures = {"exactness": exactness, "speed": speed, "masks": masks, "encoding": encoding}
    for measure in sys.argv[1:] or measures:
        for line in measures[measure]():
            print(line, flush=True)
