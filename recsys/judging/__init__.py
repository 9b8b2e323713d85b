"""How good a run is, what it owes its parts, and whether it knows what it should not.

evaluate     full ranking, seen items masked
compare      a run beside the baselines
ablate       a run without its parts, and with parts that say nothing
steering     what steering does to hits, coverage and diversity
leaks        whether a trained run knows what comes after its cut
"""
