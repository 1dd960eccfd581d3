"""The responses of many filters to one image."""

from collections.abc import Iterable, Iterator

from site_node.features.arrays import Box

from ..model import Spacing
from . import Filter
from .convolve import Volume, centred, responses, with_level
from .wavelet import Wavelet


def respond(
    filters: Iterable[Filter], image: Volume, spacing_mm: Spacing, box: Box
) -> Iterator[tuple[str, Volume]]:
    """Each filter's name and response in the box, one at a time; bands of one wavelet share their passes."""
    shared: dict[str, list[Wavelet]] = {}
    for filter_ in filters:
        if isinstance(filter_, Wavelet) and filter_.pooling is None:
            shared.setdefault(filter_.boundary, []).append(filter_)
        else:
            yield filter_.name, filter_.response(image, spacing_mm, box)
    for bands in shared.values():
        names = {band.taps: band.name for band in bands}
        single, level = centred(image, bands[0].boundary)
        for taps, response in responses(single, names, bands[0].boundary, box):
            yield names[taps], with_level(response, level, taps)
