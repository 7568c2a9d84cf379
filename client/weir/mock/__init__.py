"""Answers on mock rows, computed here as the portal computes them, without noise."""
