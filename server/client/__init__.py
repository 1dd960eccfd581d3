"""A center as a notebook sees it: what the API answers, as data frames."""
