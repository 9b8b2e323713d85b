"""Baselines that know items which nobody has touched: rivals for cold start, each in one file.

The idea: whatever is written of an item (a text vector, facts) is its `content` float32 [N, T], a
row of zeros where nothing is; `fit(content, log, …)` learns from the items that have events, and
all that have a content are scored. A person is a history, as everywhere here: the factors of a new
one are solved for. Import them by module, since some load torch.

    base          what they share: checks, ridge regression, users and items as factors
    random_list   RandomList: the floor
    kind          KindPopularity: what is usual for items of this kind
    ridge_ease    RidgeEASE: from content to the columns of EASE
    ridge_ials    RidgeIALS: from content to the factors of iALS
    learning      steps of Adam that are drawn from a generator
    dropout_net   DropoutNet: a network that must do without the factors half of the time
    heater        Heater: content becomes factors by a mixture of experts, then is taken at random
    clcrec        CLCRec: contrast of id with content, and of people with items

`recsys.baselines.TextKNN` is one of them too.
"""
