"""Outcomes under interventions: the engines, the graphs they run and the order in which they run them."""
