"""Shapes: logs whose rows hold more than one response, or whose responses stand in several rows; declared, not programmed."""
