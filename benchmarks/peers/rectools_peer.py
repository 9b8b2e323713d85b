"""RecTools' SASRec and eSASRec on an exported split; runs in an environment of RecTools.

    HOME/rectools/bin/python benchmarks/peers/rectools_peer.py --split FOLDER/amazon-beauty \\
        --model esasrec --minutes 90 --out PEERS

Settings: the table "Selected hyperparameters" of github.com/blondered/transformer_benchmark, the
RecTools authors' own benchmark ("eSASRec", RecSys 2025); what it does not say (batch 128, Adam's
betas, Xavier) is RecTools' default. eSASRec is SASRec with LiGR layers and sampled softmax, as
RecTools' README says; `sasrec` has the same width and depth with RecTools' default layers and
default loss (full softmax), `sasrec-ss` that paper's SASRec with sampled softmax.
"""

from __future__ import annotations

import warnings

from peer import LENGTH, Lists, Run, arguments, keep_weights, settings_of, take_weights

COMMON = {"n_factors": 64, "n_heads": 1, "lr": 1e-3, "batch_size": 128}
SASREC = {
    "amazon-beauty": {**COMMON, "n_blocks": 1, "dropout_rate": 0.2, "session_max_len": 50,
                      "loss": "softmax", "epochs": 200, "patience": 50},
    "movielens-1m": {**COMMON, "n_blocks": 2, "dropout_rate": 0.1, "session_max_len": 200,
                     "loss": "softmax", "epochs": 100, "patience": 50},
}  # fmt: skip
SAMPLED = {name: {**s, "loss": "sampled_softmax", "n_negatives": 256} for name, s in SASREC.items()}
LIGR = {"transformer_layers_type": "rectools.models.nn.transformers.ligr.LiGRLayers",
        "transformer_layers_kwargs": {"ff_factors_multiplier": 4},
        "use_key_padding_mask": True}  # fmt: skip
MODELS = {"sasrec": SASREC, "sasrec-ss": SAMPLED,
          "esasrec": {name: {**s, **LIGR} for name, s in SAMPLED.items()}}  # fmt: skip
PATCHES = (
    "Lightning's Trainer is called here and not by model.fit, which copies the trainer and its "
    "callbacks; the calls are those of RecTools' own _fit",
)


def main() -> None:
    args = arguments(__doc__, list(MODELS))
    settings = settings_of(args, MODELS[args.model])
    run = Run(args, f"rectools-{args.model}", settings, ("rectools", "torch", "pytorch-lightning"),
              PATCHES, settings.get("patience"))  # fmt: skip
    import torch

    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")
    fit(run)
    if run.best[0] and not args.speed:
        model, dataset = built(run)
        take_weights(run.folder / "best.npz", model.lightning_model)
        for part in ("valid", "test"):
            run.write(part, recommended(run, model, dataset(part), part, LENGTH))
    run.save()


def built(run: Run):
    """(the model with its weights made, part to RecTools Dataset of what is known before it)."""
    import pandas as pd
    from pytorch_lightning import seed_everything
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    def dataset(part: str) -> Dataset:
        frame = pd.DataFrame(run.data.known(part), columns=[Columns.User, Columns.Item, "order"])
        frame[Columns.Weight] = 1.0
        frame[Columns.Datetime] = pd.to_datetime(frame.pop("order"), unit="s")
        return Dataset.construct(frame)

    seed_everything(run.args.seed + run.epochs)
    told = {k: v for k, v in run.settings.items() if k not in ("epochs", "patience")}
    model = SASRecModel.from_params({"cls": "SASRecModel", "recommend_torch_device": "cpu", **told})
    model._build_model_from_dataset(dataset("valid"))
    return model, dataset


def fit(run: Run) -> None:
    """Train on, an epoch at a time; every epoch is on disk when it is over."""
    from pytorch_lightning import Callback, Trainer

    if not run.left:
        return
    model, dataset = built(run)
    net, state = model.lightning_model, run.folder / "state.npz"
    if run.epochs:
        take_weights(state, net, net.configure_optimizers())
        net.is_fitted = True  # else Lightning's start would draw the weights anew
    known = dataset("valid")

    class Epochs(Callback):
        def on_train_epoch_start(self, trainer: Trainer, _: object) -> None:
            run.begin()

        def on_train_epoch_end(self, trainer: Trainer, _: object) -> None:
            run.end()
            lists = None if run.args.speed else recommended(run, model, known, "valid", 10)
            better = run.add(lists)
            if not run.args.speed:
                if better:
                    keep_weights(run.folder / "best.npz", net)
                keep_weights(state, net, net.optimizer)
            run.save()
            trainer.should_stop = not run.left

    trainer = Trainer(
        max_epochs=run.settings["epochs"] - run.epochs, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[Epochs()],
    )  # fmt: skip
    trainer.fit(net, model.data_preparator.get_dataloader_train())


def recommended(run: Run, model, known, part: str, k: int) -> Lists:
    """RecTools' own lists: all items that it knows, those of the history left out."""
    import torch

    model.is_fitted = True
    with torch.no_grad():
        found = model.recommend(run.data.users(part), known, k=k, filter_viewed=True,
                                on_unsupported_targets="ignore")  # fmt: skip
    model.lightning_model.train()
    ranked = found.sort_values(["user_id", "rank"]).groupby("user_id")
    return ranked["item_id"].apply(list).to_dict()


if __name__ == "__main__":
    main()
