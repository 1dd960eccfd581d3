"""Linear, logistic, multinomial, generalized and mixed models."""
