"""Other portals in the REST API."""
