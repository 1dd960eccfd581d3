"""How good a model is for people it was not fitted on, and models chosen or joined that way."""
