"""What stands beside the trained model: all that a score is beside query · item.

The idea: the model reads an order, texts and facts through a narrow vector. Methods in closed form
count what such a vector cannot hold; each is fitted to all events, adds its scores late, and counts
as much as the validation part says it is missed: 0 leaves it out.

    base         Partners: all of them, and the score of an item
    neighbours   the linear partner: item-to-item links
    factors      a factorisation: histories as bags
    trend        what is taken lately
    habits       how likely an item that was met is met again in the next period
    popular      what people of whom nothing is known are answered with
    choose       which of these stand beside a model, and how much each counts
    fusion       weights of several scores, fitted to what people went on to choose
"""

from recsys.partners.base import Partners, prior_scores, scorer

__all__ = ["Partners", "prior_scores", "scorer"]
