"""Two lines for Flower: see server/flower_app.py and site_node/flower_app.py of the installed shadowgraph."""
