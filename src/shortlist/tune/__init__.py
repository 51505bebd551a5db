"""Tuning: the fastest setting of a model on this host, found by races of fresh engine processes.

grid      which settings are tried
lab       measures settings side by side, as runs of the store
answers   whether a setting changes what the model says
judge     which settings go on, and whether one is faster than the default
search    the whole of it within a budget: a first round, a race, a fresh comparison with the default
"""
