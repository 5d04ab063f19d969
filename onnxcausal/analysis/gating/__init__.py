"""Conditions that a model must meet, what they measure, and what came of checking them."""
