"""Images and their regions: from files or the CDM through the radiomics engine to features."""
