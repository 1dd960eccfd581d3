"""Linear, logistic, multinomial, ordinal, generalized and mixed models."""
