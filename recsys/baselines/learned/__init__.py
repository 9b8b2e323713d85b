"""Learned baselines: published networks, trained here by one loop, scored like every baseline.

The idea: a comparison is worth as much as the training of what it compares with. Each model is one
file after its paper, fitted to a `Split` (validation chooses the epoch) or to a bare log, and
frozen; `scores(histories)` knows histories, never users. They need torch, so that
`recsys.baselines` does not import them: `from recsys.baselines.learned.sasrec import SASRec`.

    fitting      FitConfig, run_epochs, TrainedItems, Learned: settings, the loop, scoring
    pairs        Pairs: user-item pairs, negatives, histories with one item held out, BPR
    sasrec       SASRec: causal self-attention, softmax over all items at every event
    bsarec       BSARec: self-attention mixed with a low-pass filter, one sample per prefix
    lightgcn     LightGCN: embeddings smoothed over the user-item graph
    bpr_mf       BPRMF: factors that rank a touched item above another; a user is a history
    kgin         KGIN: item vectors from the facts of the knowledge graph, users by intents
"""
