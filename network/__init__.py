"""Portals of several institutions that know each other: identity, peers, catalogue, guests."""
