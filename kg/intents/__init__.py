"""What people are after, by name: where the names come from, and what says so.

labels         named intents from the graph, and weak labels from what people did next
taxonomy       Taxonomy: named intents of one's own, in any language
taxonomy_file  its TOML file, checked key by key
taxonomies/    those that come with kgintent
categories     from the categories of the data to the intents of a taxonomy
labelled       texts that carry labels: queries, messages, verbalised behaviour
recent         the labels of what somebody met lately
stage          browsing, comparing or buying
"""
