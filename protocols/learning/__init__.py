"""Models learned in many rounds: forests, boosting, neural networks."""
