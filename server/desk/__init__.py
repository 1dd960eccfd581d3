"""What accounts may ask of a center from afar, and the process that does it."""
