"""The part that must be right: pure functions and frozen data, neither Django nor the web."""
