"""The demo: a center and its hospitals on this machine, from their files to one report."""
