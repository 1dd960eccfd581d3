"""What is done with a result: figures as data and their renderers, tables of their numbers, predictions."""
