"""Measures Pictologics on one case, in its own environment; FBN 32, no resampling."""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pictologics
from pictologics import Image, RadiomicsPipeline

warnings.simplefilter("ignore")
case = np.load(sys.argv[1])
mm = float(case["spacing_mm"])
image = Image(np.ascontiguousarray(case["image"].T), (mm, mm, mm), (0.0, 0.0, 0.0))
mask = Image(np.ascontiguousarray(case["mask"].T.astype(np.uint8)), (mm, mm, mm), (0.0, 0.0, 0.0))
pairs = sys.argv[2].endswith("+pairs")
families = ["intensity", "morphology", "texture", "histogram", "ivh"]


def config(filter_: "dict[str, object] | None") -> "list[dict[str, object]]":
    extract = {
        "families": families if filter_ is None else [f for f in families if f != "morphology"],
        "include_spatial_intensity": pairs and filter_ is None,
        "include_local_intensity": pairs and filter_ is None,
    }
    steps: list[dict[str, object]] = [] if filter_ is None else [{"step": "filter", "params": filter_}]
    return [
        *steps,
        {"step": "discretise", "params": {"method": "FBN", "n_bins": 32}},
        {"step": "extract_features", "params": extract},
    ]


pipeline = RadiomicsPipeline(load_standard=False)
filters: "dict[str, dict[str, object] | None]" = {"original": None}
if sys.argv[2].startswith("14 images"):
    for band in (a + b + c for a in "LH" for b in "LH" for c in "LH"):
        filters[band] = {"type": "wavelet", "wavelet": "coif1", "level": 1, "decomposition": band}
    for sigma in (1.0, 2.0, 3.0, 4.0, 5.0):
        filters[f"log{sigma:g}"] = {"type": "log", "sigma_mm": sigma, "truncate": 4.0}
for name, filter_ in filters.items():
    pipeline.add_config(name, config(filter_))
names = list(filters)
seconds = []
for _ in range(int(sys.argv[3]) + 1):
    start = time.process_time()
    found = pipeline.run(image, mask, config_names=names)
    seconds.append(time.process_time() - start)
known = sum(int(np.isfinite(series.astype(float)).sum()) for series in found.values())
# not ru_maxrss, which a child inherits from its parent
status = Path("/proc/self/status").read_text()
peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(
    json.dumps(
        {
            "version": pictologics.__version__,
            "cpu_s": min(seconds[1:]),
            "features": known,
            "peak_mb": round(peak_mb),
        }
    )
)
