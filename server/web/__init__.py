"""The center over HTTP: a JSON API for programs, pages for people. No path to a database is here."""
