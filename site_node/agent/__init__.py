"""The process that has data: it answers approved questions."""
