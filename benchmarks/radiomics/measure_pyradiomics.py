"""Measures pyradiomics on one case, in its own environment; all classes, FBN 32, no resampling."""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import radiomics
import SimpleITK as sitk  # noqa: N813
from radiomics import featureextractor

logging.disable(logging.CRITICAL)
case = np.load(sys.argv[1])
mm = float(case["spacing_mm"])
image = sitk.GetImageFromArray(case["image"])
mask = sitk.GetImageFromArray(case["mask"].astype(np.uint8))
for grid in (image, mask):
    grid.SetSpacing((mm, mm, mm))
extractor = featureextractor.RadiomicsFeatureExtractor(binCount=32, correctMask=False)
extractor.enableAllFeatures()
if sys.argv[2].startswith("14 images"):
    extractor.enableImageTypes(
        Original={}, Wavelet={"wavelet": "coif1"}, LoG={"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]}
    )
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.process_time()
    found = extractor.execute(image, mask)
    seconds.append(time.process_time() - start)
values = [name for name in found if not name.startswith("diagnostics")]
# not ru_maxrss, which a child inherits from its parent
status = Path("/proc/self/status").read_text()
peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(
    json.dumps(
        {
            "version": radiomics.__version__,
            "cpu_s": min(seconds),
            "features": len(values),
            "peak_mb": round(peak_mb),
        }
    )
)
