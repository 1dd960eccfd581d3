"""Who is in a study: cohort definitions, ours and ATLAS's. No table and no person."""
