"""What a person or a text wants, by name: of histories within a recommender, and of texts alone.

The idea: a history is told as a text, an encoder reads it, and a head names what came next in
training; a message or a search has labels of its own, and `IntentClassifier` learns them by the
methods of `models.intent`, whichever reads best. Both are calibrated: doubt can be asked for.

Histories:

    signals      verbalised histories to embeddings and named intents
    named        which named intents items have: of the graph, of a taxonomy, by texts
    carried      the same for items that were added since
    wants        what a person wants now: probabilities of named intents, the stage

Texts:

    classify     IntentClassifier: what a text wants, and which words say so
    fit          from labelled texts to a classifier
    curves       how accurate with how many labels, chosen by which strategy
    store        such a classifier on disk
    compress     such a classifier made small, and what that costs
    pretraining  what a log says to an encoder before anybody labels a text
    service      Desk: answers, questions and handovers by intent
    replies      their templates, from a TOML file
"""
