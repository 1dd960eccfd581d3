"""How far a link between an image and a genome can be believed: over sites, adjustments and mechanisms."""
