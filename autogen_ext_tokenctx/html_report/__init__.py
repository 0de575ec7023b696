"""A log of fits as one HTML page."""
