"""What a `Recommender` is made of: a query, a list, a wish, a reason, and what changes live.

queries      from a person, a history or a profile to a query
answers      what a recommender answers with, and what it accepts
bulk         lists and intents of many people as frames
steering     what a wish (an intent, a text, a quota, what to avoid) makes of a list
quota        lists that hold several intents in given shares
facets       what items can be filtered by
diversity    lists that are less alike
stock        what is said of an item's being there
nearness     how near items are to a vector
explain      why: a path, a near text, the parts of the score
titles       what items are called in verbalised histories

items        trained items and those added since
known        what is known of items that a table tells again: an update changes what it names
renewal      items that are told again: which rows stay, which are written anew
adding       items that come or are told again, and what became of them
facts        other facts for a trained recommender, at once
changes      which recommendations change when facts do
live         events since the training: histories, new people, warmer items
forgotten    what a run was told that other data do not hold
forgetting   people whose events, profiles and ids leave a run
warmup       from content to what people do, for items that training met too little of
"""
