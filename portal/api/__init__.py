"""The root of the REST API, its schema and documentation, and the map of its addresses."""
