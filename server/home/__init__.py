"""The center's folder: settings, keys, the store of studies and rounds."""
