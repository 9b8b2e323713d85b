"""How good a run is, what it owes its parts, and whether it knows what it should not.

evaluate     full ranking, seen items masked
as_of        a run as it stood before a part: what is judged, and whose lists can be had
compare      a run beside the baselines
effects      what a run gains over another on the same people
ablate       a trained run without one of its parts
retrain      a run trained again without one, or with one that says nothing
groups       who is served how well, and what is shown how much
later        lists as they are served, by events that came after the training
steering     what steering does to hits, coverage and diversity
leaks        whether a trained run knows what comes after its cut
"""
