"""RecBole's SASRec, LightGCN and KGCN on an exported split; runs in an environment of RecBole.

    HOME/recbole/bin/python benchmarks/peers/recbole_peer.py --split FOLDER/amazon-beauty \\
        --model sasrec --minutes 90 --out PEERS

Settings: RecBole's defaults (recbole/properties/model/MODEL.yaml and overall.yaml: width 64, Adam
at 0.001, patience 10) with the batch sizes, 500 epochs, length 50 and NDCG@10 of the configurations
that RecBole publishes for its own tuned results (asset/hyper_tune_configs of its repository:
amazon-books for amazon-beauty, ml-1m for movielens-1m). The facts of the graph are not filtered
by count, as those files do: most items here have fewer than five. KGAT needs DGL, which was not
tried.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from peer import LENGTH, Lists, Run, arguments, keep_weights, settings_of, take_weights

# the file holds training events alone, so RecBole is told to split nothing off
WHOLE = {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": "none", "mode": "full"}
SEQUENTIAL = {"MAX_ITEM_LIST_LENGTH": 50, "train_neg_sample_args": None,
              "eval_args": {**WHOLE, "order": "TO"}}  # fmt: skip
GENERAL = {"eval_args": {**WHOLE, "order": "RO"}}


def _sets(shared: dict, beauty: int, movies: int, patience: int = 10) -> dict[str, dict]:
    shared = {**shared, "epochs": 500, "patience": patience}
    return {"amazon-beauty": {**shared, "train_batch_size": beauty},
            "movielens-1m": {**shared, "train_batch_size": movies}}  # fmt: skip


MODELS = {
    "sasrec": _sets(SEQUENTIAL, 1024, 4096),
    "lightgcn": _sets(GENERAL, 4096, 4096),
    # a user's scores need the whole catalogue's neighbourhoods: minutes for all users, seconds for
    # an epoch, so it is validated after every 20th; patience is 10 validations, as for the others
    "kgcn": _sets({**GENERAL, "eval_step": 20}, 4096, 4096, patience=200),
}
CLASSES = {"sasrec": "SASRec", "lightgcn": "LightGCN", "kgcn": "KGCN"}
PATCHES = (
    "numpy 2 has no np.float_, np.complex_, np.unicode_, which RecBole's Config reads",
    "this scipy has no dok_matrix._update, with which LightGCN makes its matrix",
    "pandas < 3 (requirements): RecBole fills missing values in place through df[field].fillna",
    "recbole.quick_start is not imported: it imports ray.tune, whose ray 2.6 needs pkg_resources",
    "its checkpoints, which do not load under today's torch, are not used: arrays in their place",
)


def main() -> None:
    args = arguments(__doc__, list(MODELS))
    settings = settings_of(args, MODELS[args.model])
    run = Run(args, f"recbole-{args.model}", settings, ("recbole", "torch", "numpy", "scipy"),
              PATCHES, settings.get("patience"))  # fmt: skip
    patch()
    import torch

    torch.set_num_threads(args.threads)
    peer = Peer(run)
    peer.fit()
    if run.best[0] and not args.speed:
        take_weights(run.folder / "best.npz", peer.model)
        for part in ("valid", "test"):
            run.write(part, peer.lists(part, LENGTH))
    run.save()


def patch() -> None:
    """What PATCHES tells; nothing in site-packages is touched."""
    from scipy import sparse

    for old, new in (("float_", "float64"), ("complex_", "complex128"), ("unicode_", "str_")):
        setattr(np, old, getattr(np, new))
    sparse.dok_matrix._update = lambda self, cells: self._dict.update(cells)


class Peer:
    """RecBole's dataset, loader, model and trainer; every epoch is its trainer's own."""

    def __init__(self, run: Run) -> None:
        from recbole.config import Config
        from recbole.data import create_dataset
        from recbole.data.dataloader import TrainDataLoader
        from recbole.data.utils import create_samplers, get_dataloader
        from recbole.sampler import KGSampler
        from recbole.utils import ModelType, get_model, get_trainer, init_seed

        self.run, data = run, run.data
        self.state = run.folder / "state.npz"
        folder = run.folder / "recbole"
        self.write_files(folder / "split")
        told = {k: v for k, v in run.settings.items() if k != "patience"} | {
            "data_path": str(folder), "use_gpu": False, "gpu_id": "", "show_progress": False,
            "seed": run.args.seed, "state": "ERROR", "TIME_FIELD": "order",
            "checkpoint_dir": str(folder / "saved"),
            "load_col": {"inter": ["user_id", "item_id", "order"]},
        }  # fmt: skip
        if run.args.model == "kgcn":
            told["load_col"] |= {"kg": ["head_id", "relation_id", "tail_id"],
                                 "link": ["item_id", "entity_id"]}  # fmt: skip
        os.chdir(folder)  # its tensorboard writes where it stands
        del sys.argv[1:]  # its Config would read our --name=value as its own
        config = Config(CLASSES[run.args.model], "split", config_dict=told)
        init_seed(run.args.seed, True)
        whole = create_dataset(config)
        built = whole.build()
        sampler = create_samplers(config, whole, built)[0]
        more: tuple = ()
        if config["MODEL_TYPE"] == ModelType.KNOWLEDGE:
            more = (KGSampler(whole, "uniform", 1.0),)
        loader: type[TrainDataLoader] = get_dataloader(config, "train")
        self.train_data = loader(config, built[0], sampler, *more, shuffle=True)
        init_seed(run.args.seed + run.epochs, True)
        self.model = get_model(config["model"])(config, built[0])
        self.trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, self.model)
        ids = whole.field2token_id
        self.user_of, item_of = ids["user_id"], ids["item_id"]
        self.names = {number: name for name, number in item_of.items()}
        self.histories = {
            part: {u: [item_of[i] for i in items if i in item_of]
                   for u, items in data.histories(part).items()}
            for part in ("valid", "test")
        }  # fmt: skip
        if run.epochs and not run.args.speed:
            take_weights(self.state, self.model, self.trainer.optimizer)

    def write_files(self, folder: Path) -> None:
        """RecBole's atomic files: of the events, those of training alone."""
        data = self.run.data
        folder.mkdir(parents=True, exist_ok=True)

        def write(kind: str, head: str, rows: list[tuple]) -> None:
            lines = [head, *("\t".join(map(str, row)) for row in rows)]
            (folder / f"split.{kind}").write_text("\n".join(lines) + "\n", encoding="utf-8")

        head = "user_id:token\titem_id:token\torder:float"
        write("inter", head, data.train)
        trained = list(dict.fromkeys(item for _, item, _ in data.train))
        write("link", "item_id:token\tentity_id:token", [(i, f"item:{i}") for i in trained])
        write("kg", "head_id:token\trelation_id:token\ttail_id:token", data.facts())

    def fit(self) -> None:
        run = self.run
        every = run.settings.get("eval_step", 1)
        while run.left:
            run.begin()
            self.trainer._train_epoch(self.train_data, run.epochs, show_progress=False)
            run.end()
            lists: Lists | None = None
            number = run.epochs + 1
            due = number % every == 0 or number == run.settings["epochs"]
            if due and not run.args.speed:
                lists = self.lists("valid", 10)
            better = run.add(lists)
            if not run.args.speed:
                if better:
                    keep_weights(run.folder / "best.npz", self.model)
                keep_weights(self.state, self.model, self.trainer.optimizer)
            run.save()

    def lists(self, part: str, k: int) -> Lists:
        """Top k of all items that RecBole knows, those of the history left out."""
        import torch

        users = [u for u in self.run.data.users(part) if self.histories[part].get(u)]
        size = 8 if self.run.args.model == "kgcn" else 256
        self.model.eval()
        out: Lists = {}
        with torch.no_grad():
            for start in range(0, len(users), size):
                batch = users[start : start + size]
                own = [self.histories[part][user] for user in batch]
                scores = self.model.full_sort_predict(self.question(batch, own))
                scores = scores.view(len(batch), -1)
                scores[:, 0] = -torch.inf  # the padding
                for row, items in enumerate(own):
                    scores[row, items] = -torch.inf
                found = scores.topk(min(k, scores.shape[1]))
                for row, user in enumerate(batch):
                    kept = found.indices[row][found.values[row].isfinite()]
                    out[user] = [self.names[number] for number in kept.tolist()]
        return out

    def question(self, users: list[str], own: list[list[int]]):
        """A batch of RecBole's for these users with these histories."""
        import torch
        from recbole.data.interaction import Interaction

        if self.run.args.model != "sasrec":
            return Interaction({"user_id": torch.tensor([self.user_of[u] for u in users])})
        longest = self.run.settings["MAX_ITEM_LIST_LENGTH"]
        last = [items[-longest:] for items in own]
        sequence = torch.zeros(len(users), longest, dtype=torch.long)
        for row, items in enumerate(last):
            sequence[row, : len(items)] = torch.tensor(items)
        length = torch.tensor([len(items) for items in last])
        return Interaction({"item_id_list": sequence, "item_length": length})


if __name__ == "__main__":
    main()
