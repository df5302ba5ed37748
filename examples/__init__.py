"""Ready-made cities: a generated one with planted errors, and real open data with real ones."""
