"""pydicom as the site uses it: lenient about values, and silent, since its warnings quote them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config

from site_node.sources.dicom.faults import DicomFault, Fault

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").disabled = True  # its lines hold values of the header


@contextmanager
def reading(fault: Fault) -> Iterator[None]:
    """A block that reads a DICOM object; whatever a damaged one makes pydicom raise leaves it as `fault`.

    pydicom and its decoders have no common error: struct.error, EOFError, KeyError, NotImplementedError, ….
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DicomFault:
        raise
    except Exception:
        raise DicomFault(fault) from None
