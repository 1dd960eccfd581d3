"""The record of one sample's numbers of many genes or probes."""

from base64 import b64encode
from collections import defaultdict
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cdm.etl.genomics.genomic_profile import block_of, pack
from cdm.etl.record import Body, SourceRecord
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.panel import patient_of


class Profile:
    """The features of one table, laid out in blocks once for all of its samples."""

    def __init__(
        self, file: str, asked: Asked, assay: str, quantity: str, build: str | None, features: list[str]
    ) -> None:
        self._file, self._asked, self._assay = file, asked, assay
        self._quantity, self._build = quantity, build
        places: defaultdict[int, list[int]] = defaultdict(list)
        for place, feature in enumerate(features):
            places[block_of(feature)].append(place)
        self._blocks = [
            (block, [features[place] for place in at], np.array(at)) for block, at in sorted(places.items())
        ]

    def record(self, sample: str, position: str, values: NDArray[np.float32]) -> SourceRecord:
        """The record of one sample; `values` has one number per feature, NaN where there is none."""
        packed = {str(block): pack(names, values[at]) for block, names, at in self._blocks}
        asked = self._asked
        body: Body = {
            "patient": asked.patients.get(sample) or patient_of(sample),
            "sample": sample,
            # two results of one sample are two tests, and the same result is one, whatever its file is called
            "kind": f"{self._quantity} {blake2b(values.tobytes(), digest_size=8).hexdigest()}",
            "assay": self._assay,
            "quantity": self._quantity,
            "reference_genome": self._build,
            "target_scope": "profile",
            "target_megabases": None,
            "genes": [],
            "blocks": {block: b64encode(content).decode() for block, content in packed.items()},
        }
        record_id = f"{self._file}#{self._quantity}#{sample}"[-255:]
        return SourceRecord("Profile", record_id, position, body)
