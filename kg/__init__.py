"""Events and catalogue to a knowledge graph, splits, samples and texts: arrays in, arrays out.

The idea: a shop's files say who did what with which item, and what each item is. `EventLog` and
`Catalog` read them; `clean` keeps what is usable and counts the rest; `temporal_split` or
`leave_one_out` hides the future; `build_graph` joins training events and facts into one typed
graph; `verbalise` writes a history as a sentence that BERT can read. No torch here.

    errors      UsageError (exit 2) and DataError (exit 1)
    ids         Vocab: external ids to dense numbers and back
    schema      Behaviour: view, click, purchase, search, … with weight and phrase
    alike       == of what holds arrays
    given       columns and frames from Python, by position
    tables      CSV, TSV, Parquet, gzipped or not, and frames, every column as text
    widths      letters, digits and signs of full width as the usual ones
    times       epoch seconds, milliseconds or ISO 8601 to UTC seconds
    amounts     numbers with marks between thousands and signs of currency
    events      EventLog
    searches    searches of the same histories: a text and no item
    clean       duplicates, bots, impossible times, unknown items: counted and kept aside
    declined    what people turned down: in no list of theirs
    catalog     Catalog: items (or users) with text and typed attributes
    vectors     named vectors of items or users, such as image embeddings, from a file
    profiles    what is known of people: attributes and vectors as arrays
    forgetting  logs, tables and graphs without people
    formats/    other people's files: RecBole, KGAT, Gorse, MovieLens, …, RDF; from one to another
    graph       KnowledgeGraph, to and from networkx
    dates       when facts came to be known
    graph_store  a graph in a folder of its own
    building/   from tables, triples and other graphs to one graph
    linking/    which entity is which item: by titles, with a confidence and a review
    checking/   what is in a graph, what changed, and what knows the future
    split       temporal_split, leave_one_out, and make_split that chooses
    sequences   Sequences: histories as one ragged array
    intents/    named intents, taxonomies, labelled texts, weak labels
    wording/    histories as text, and paths as reasons, in English and Chinese
    storage     a built data folder on disk
    folders     folders that are whole or not there
    locks       changes of a folder one after the other
    datasets    the bundled sample
    testing     the tiny and the planted world
"""
