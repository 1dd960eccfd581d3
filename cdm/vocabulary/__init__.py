"""What codes are called and what they mean: names, concepts, Athena, the site's map, the seed."""
