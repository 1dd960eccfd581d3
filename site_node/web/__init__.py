"""The pages of a site: words and forms over what another process does. No path to a database is here."""
