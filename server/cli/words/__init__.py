"""What people read of the center's actions: rows and lines made of the actions' values, a file per noun."""
