"""What is made of variables before an analysis: harmonization and imputation."""
