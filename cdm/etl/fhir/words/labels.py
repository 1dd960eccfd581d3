"""What a resource's labels (meta.security, meta.tag) say of it: that it is no patient's, or not all there."""

from cdm.etl.context import Context
from cdm.etl.record import Body

LABELS = {"HTEST": "test-data", "SUBSETTED": "record-incomplete"}


def doubt_labelled(resource: Body, context: Context) -> None:
    """Count a resource that is labelled as test data, or as one of which the server left elements out."""
    meta = resource.get("meta")
    if not isinstance(meta, dict) or ("security" not in meta and "tag" not in meta):  # nearly all of them
        return
    labels = (label.get("code") for name in ("security", "tag") for label in meta.get(name) or ())
    for kind in {LABELS[code] for code in labels if code in LABELS}:
        context.doubt(kind)
