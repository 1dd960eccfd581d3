"""The one loader: batches, what is kept and quarantined, and what is derived after a load."""
