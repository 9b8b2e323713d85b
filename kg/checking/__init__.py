"""What is in a graph, what is wrong with it, and what knows the future.

report      what is in a graph: numbers for a person and for a script
diff        what changed from one graph to the next
leakage     does anything that is learned from know what comes after the cut?
reading     what an encoder has read before
controls    facts and orders that say nothing, to compare with
"""
