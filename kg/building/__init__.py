"""From tables, triples and other graphs to one knowledge graph.

build        build_graph: events + attributes + triples; the guard against leaked events
from_table   a table as a graph: values, lists, paths, bands, years
columns      what a column of a table means to the graph, said or guessed
hierarchy    categories that are paths
triples      extra facts from a file
matched      triples in the terms of a graph that is there
joined       graphs in other numbers, and two as one
"""
