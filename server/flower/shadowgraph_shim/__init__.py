"""Two lines for Flower: see both flower_app.py of the installed shadowgraph."""
