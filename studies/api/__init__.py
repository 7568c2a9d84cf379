"""Studies and joint answers in the REST API."""
