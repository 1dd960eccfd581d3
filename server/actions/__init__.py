"""What a person can do at the center: studies, queries, runs."""
