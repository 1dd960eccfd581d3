"""What both machines need to run: processes that stay up."""
