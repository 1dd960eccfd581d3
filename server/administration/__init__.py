"""The center itself: enrolment of sites, its processes, what a machine lacks."""
