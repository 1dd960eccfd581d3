"""What is done with a result: figures, predictions."""
