"""What pages ask of a site, in a process with register and database and without a network."""
