"""Events and catalogue to a knowledge graph, splits, samples and texts: arrays in, arrays out.

The idea: a shop's files say who did what with which item, and what each item is. `EventLog` and
`Catalog` read them; `clean` keeps what is usable and counts the rest; `temporal_split` or
`leave_one_out` hides the future; `build_graph` joins training events and facts into one typed
graph; `verbalise` writes a history as a sentence that BERT can read. No torch here.

    errors      UsageError (exit 2) and DataError (exit 1)
    ids         Vocab: external ids to dense numbers and back
    schema      Behaviour: view, click, purchase, search, … with weight and phrase
    tables      CSV, TSV, Parquet, gzipped or not, every column as text
    times       epoch seconds, milliseconds or ISO 8601 to UTC seconds
    amounts     numbers with marks between thousands and signs of currency
    events      EventLog
    clean       duplicates, bots, impossible times, unknown items: counted and kept aside
    catalog     Catalog: items (or users) with text and typed attributes
    vectors     named vectors of items or users, such as image embeddings, from a file
    profiles    what is known of people: attributes and vectors as arrays
    dates       when facts came to be known
    triples     extra facts from a file
    matched     triples in the terms of a graph that is there
    columns     what a column of a table means to the graph, said or guessed
    from_table  a table as a graph: values, lists, paths, bands, years
    formats/    other people's files: RecBole, KGAT, Gorse, MovieLens, …, RDF; from one to another
    graph       KnowledgeGraph, to and from networkx
    graph_store  a graph in a folder of its own
    joined      graphs in other numbers, and two as one
    build       build_graph: events + attributes + triples; the guard against leaked events
    diff        what changed from one graph to the next
    linking     which entity is which item: by titles, with a confidence and a review
    report      what is in a graph, and what is wrong with it
    leakage     does anything that is learned from know what comes after the cut?
    reading     what an encoder has read before
    split       temporal_split, leave_one_out, and make_split that chooses
    searches    searches of the same histories: a text and no item
    controls    facts and orders that say nothing, to compare with
    sequences   Sequences: histories as one ragged array
    sampling    negatives and neighbours
    templates   phrases and how they are joined, in English and Chinese
    verbalise   a behaviour sequence as text
    hierarchy   categories that are paths
    labels      named intents from the graph, and weak labels from what people did next
    taxonomy    Taxonomy: named intents of one's own, in any language
    taxonomy_file  its TOML file, checked key by key
    taxonomies/ those that come with kgintent
    categories  from the categories of the data to the intents of a taxonomy
    stage       browsing, comparing or buying
    paths       short paths through the graph, as explanations
    reasons     the words of explanations, in English and Chinese
    storage     a built data folder on disk
    datasets    the bundled sample
    testing     the tiny and the planted world
"""
