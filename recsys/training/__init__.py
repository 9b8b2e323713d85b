"""From a data folder to a trained recommender.

config       RunConfig: one TOML file
fit          the offline job in one straight line
settings     TrainConfig and RunOptions
train        training as a generator of EpochReport
objective    what a step minimises: a batch in, its loss out
optimise     from gradients to weights: schedule, clipping, step, average
strangers    learning to answer people without a history by their profile
tasks        losses beside that of the next item, and weights of behaviours
checkpoint   a training's state on disk
tune         a search for settings on validation
"""
