"""LensKit's item-kNN on an exported split; runs in an environment of LensKit.

    HOME/lenskit/bin/python benchmarks/peers/lenskit_peer.py --split FOLDER/amazon-beauty \\
        --model item-knn --out PEERS

Settings: 20 neighbours, implicit feedback, as in LensKit's "Getting Started"; the rest are the
scorer's defaults. It has no epochs, so, as every model without them here, it is fitted to train and
validation before the test lists are made.
"""

from __future__ import annotations

import os

from peer import LENGTH, Lists, Run, arguments, settings_of

SETTINGS = {"max_nbrs": 20, "feedback": "implicit", "epochs": 1}
MODELS = {"item-knn": {"amazon-beauty": SETTINGS, "movielens-1m": SETTINGS}}


def main() -> None:
    args = arguments(__doc__, list(MODELS))
    for name in ("LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    settings = settings_of(args, MODELS[args.model])
    run = Run(args, f"lenskit-{args.model}", settings, ("lenskit", "torch", "numpy", "scipy"))
    for part in ("valid", "test"):
        run.begin()
        pipeline = fitted(run, part)
        run.end()
        lists = recommended(run, pipeline, part)
        run.write(part, lists)
        if part == "valid" and not run.curve:
            run.add(lists)
    run.stopped = "no epochs"
    run.save()


def fitted(run: Run, part: str):
    """LensKit's pipeline: scores, the user's own items left out, the best first."""
    import pandas as pd
    from lenskit.data import from_interactions_df
    from lenskit.knn import ItemKNNScorer
    from lenskit.pipeline import topn_pipeline

    frame = pd.DataFrame(run.data.known(part), columns=["user_id", "item_id", "order"])
    told = {k: v for k, v in run.settings.items() if k != "epochs"}
    pipeline = topn_pipeline(ItemKNNScorer(**told))
    pipeline.train(from_interactions_df(frame[["user_id", "item_id"]]))
    return pipeline


def recommended(run: Run, pipeline, part: str) -> Lists:
    from lenskit.batch import recommend

    found = recommend(pipeline, run.data.users(part), n=LENGTH, n_jobs=1)
    return {str(key.user_id): [str(item) for item in ids.ids()] for key, ids in found.items()}


if __name__ == "__main__":
    main()
