"""Clinical questions: an analysis that answers one, with its words and its figure."""
