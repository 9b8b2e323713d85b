"""Events and facts in words, in English and Chinese.

templates   phrases and how they are joined
verbalise   a behaviour sequence as text
paths       short paths through the graph, as explanations
reasons     the words of explanations
"""
