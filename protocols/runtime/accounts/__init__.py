"""Who may act at a site or a center: accounts, roles, sessions and tokens, one SQLite file a side."""
