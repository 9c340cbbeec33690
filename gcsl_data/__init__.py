"""gcsl_data: any log with graded feedback in, a checked goal-conditioned dataset out."""

__version__ = "0.1.0"
