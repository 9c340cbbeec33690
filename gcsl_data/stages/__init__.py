"""The stages in the order of the data flow: pure functions on lazy frames, or makers of expressions.

checks -> splits -> rewards -> bins -> snap -> goal_filter -> formulations -> templates -> render. None of them collects.
"""
