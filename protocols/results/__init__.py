"""What is done with a result: figures as data and their renderers, tables of their numbers, predictions."""

from protocols.results import plots as plots  # `Result.plot` draws with it from here on
