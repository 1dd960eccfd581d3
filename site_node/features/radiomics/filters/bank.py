"""The responses of many filters to one image."""

from collections.abc import Iterable, Iterator

from site_node.features.arrays import Box

from ..model import Spacing
from . import Filter
from .convolve import Image, responses
from .wavelet import Wavelet


def respond(
    filters: Iterable[Filter], image: Image, spacing_mm: Spacing, box: Box
) -> Iterator[tuple[str, Image]]:
    """Each filter's name and response in the box, one at a time; bands of one wavelet share their passes."""
    shared: dict[str, list[Wavelet]] = {}
    for filter_ in filters:
        if isinstance(filter_, Wavelet) and filter_.pooling is None:
            shared.setdefault(filter_.boundary, []).append(filter_)
        else:
            yield filter_.name, filter_.response(image, spacing_mm, box)
    for bands in shared.values():
        names = {band.taps: band.name for band in bands}
        for taps, response in responses(image, names, bands[0].boundary, box):
            yield names[taps], response
