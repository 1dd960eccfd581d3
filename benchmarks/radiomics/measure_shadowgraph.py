"""Measures our engine on one case: `python measure_shadowgraph.py CASE.npz LIST REPEATS`, prints JSON."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from site_node.features.radiomics import VERSION, Settings, extract

COMMON = [
    "morphology", "intensity", "histogram", "ivh", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm",
]  # fmt: skip
BANDS = [
    {"filter": "wavelet", "family": "coif1", "band": a + b + c} for a in "LH" for b in "LH" for c in "LH"
]
LOGS = [{"filter": "LoG", "sigma_mm": sigma} for sigma in (1, 2, 3, 4, 5)]
LISTS = {
    "image": {"families": COMMON},
    "image+pairs": {},
    "14 images": {"families": COMMON, "filters": BANDS + LOGS},
    "14 images+pairs": {"filters": BANDS + LOGS},
}

case = np.load(sys.argv[1])
image, mask, mm = case["image"], case["mask"], float(case["spacing_mm"])
settings = Settings.model_validate(LISTS[sys.argv[2]])
seconds = []
for _ in range(int(sys.argv[3]) + 1):  # the first compiles or loads
    start = time.process_time()
    features = extract(image, mask, (mm, mm, mm), settings)
    seconds.append(time.process_time() - start)
# not ru_maxrss, which a child inherits from its parent
status = Path("/proc/self/status").read_text()
peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
known = sum(feature.value is not None for feature in features)
print(
    json.dumps({"version": VERSION, "cpu_s": min(seconds[1:]), "features": known, "peak_mb": round(peak_mb)})
)
