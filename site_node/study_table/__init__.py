"""From the CDM to the table of a study: who is in it, and one column per variable."""
