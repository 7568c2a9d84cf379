"""What other portals may ask for."""
