"""Images from a PACS: by DICOMweb, by DICOM messages (C-FIND with C-GET or C-MOVE), by Orthanc's list of
changes, or pushed to the site (C-STORE). All of them leave objects in an `Inbox`, which the loader reads.
"""

from site_node.sources.pacs.inbox import Inbox
from site_node.sources.pacs.pull import Pacs, RemoteInstance, RemoteStudy, pulled

__all__ = ["Inbox", "Pacs", "RemoteInstance", "RemoteStudy", "pulled"]
