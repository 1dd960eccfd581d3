"""The site itself: setting up, joining, backup, its processes."""
