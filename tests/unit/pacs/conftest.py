"""A real Orthanc for these tests."""

from tests.lib.pacs import orthanc, orthanc_server

__all__ = ["orthanc", "orthanc_server"]
