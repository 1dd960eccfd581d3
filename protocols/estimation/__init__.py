"""The mathematics that several analyses share: likelihoods, Newton steps, risk sets, moments, folds."""
