"""Models that a consortium found: their cards, the gate before they are released, and the signed file."""
