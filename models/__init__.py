"""Networks and losses: text, graph, sequence and intent in, one vector per item and query out.

The idea: an item is its text, its place in the graph and (once people have met it) its id; a query
is what the history says about the next event, opened towards the intent that BERT reads from the
verbalised history. Their inner product is the score, so that an index can search it.

    text/        TextEncoder, BertEncoder, HashEncoder, NgramEncoder, the cache on disk
    whitening    PCA whitening of text vectors
    gnn/         relational message passing over the knowledge graph
    features     what else may be known: named vectors of items, profiles of people
    items        the item tower: text and other vectors + graph + s(n)·id
    searches     searches as events, in the space of the items' texts
    sequence     a causal transformer over events
    intent/      named intents from a verbalised history
    people       a person's profile as a query
    repeat       what an item gains from having been met before
    device       where networks learn, and draws that leave no trace
    dropout      dropout with a cheap mask
    batch        histories to padded batches, sorted by length
    losses       full and sampled softmax, multi-label cross-entropy
    recommender  IntentRecommender, the assembled model
    facts        the same model over other facts, nothing learned again
    transfer     what a model learned on other data, put into a fresh one
    testing      contracts that encoders and layers must pass
"""
