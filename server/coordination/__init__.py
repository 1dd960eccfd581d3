"""Running a study: the coordinator, its Flower app, what is recorded."""
