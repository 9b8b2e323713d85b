"""Train, index, recommend, explain, evaluate: everything a user needs comes from here.

The idea: `fit` (or the parts it is made of) turns a log and a catalogue into a `Recommender`;
that object answers, and `save` makes a folder of it that is whole or not there.

    config       RunConfig: one TOML file
    fit          the offline job in one straight line
    settings     TrainConfig and RunOptions
    train        training as a generator of EpochReport
    objective    what a step minimises: a batch in, its loss out
    optimise     from gradients to weights: schedule, clipping, step, average
    strangers    learning to answer people without a history by their profile
    tasks        losses beside that of the next item, and weights of behaviours
    checkpoint   a training's state on disk
    partners/    what stands beside the model: neighbours, factors, trend, habits, popularity
    intent/      what people and texts want, by name

    recommender  Recommender: recommend, similar, intents, explain, with_items, with_facts
    queries      from a person, a history or a profile to a query
    retrieval    from queries to lists: the index, what is added, what is left out
    answers      what a recommender answers with, and what it accepts
    hits         top-k answers as arrays
    steering     what a wish (an intent, a text, a quota, what to avoid) makes of a list
    quota        lists that hold several intents in given shares
    facets       what items can be filtered by
    diversity    lists that are less alike
    nearness     how near items are to a vector
    explain      why: a path, a near text, the parts of the score
    titles       what items are called in verbalised histories

    items        trained items and those added since
    facts        other facts for a trained recommender, at once
    changes      which recommendations change when facts do
    live         events since the training: histories, new people, warmer items
    warmup       from content to what people do, for items that training met too little of

    index        VectorIndex: exact, or FAISS proposes and exact products decide
    index_plan   which index, and how hard it looks, by what people ask
    index_audit  what an index finds, how fast, in how much room
    reindex      a new index for a recommender, now or beside the work

    metrics/     ranking, lists, labels
    evaluate     full ranking, seen items masked
    baselines/   popularity, item-kNN, EASE, text-kNN
    tune         a search for settings on validation
    leaks        whether a trained run knows what comes after its cut
    ablate       a run without its parts, and with parts that say nothing
    compare      a run beside the baselines
    steering_report  what steering does to hits, coverage and diversity
    testing      the contract of a recommender

    store        a run on disk
    encoders     the encoder of a run, loaded when it is needed
    export       vectors of a run for other tools
    linking      entities and items by what their titles mean
    demo         the demo
    cli/         the command line

Names are imported when they are first used, so that `kgintent --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg.build import build_graph as build_graph
    from kg.catalog import Catalog as Catalog
    from kg.clean import clean as clean
    from kg.events import EventLog as EventLog
    from kg.labelled import LabelledTexts as LabelledTexts
    from kg.labelled import read_labelled as read_labelled
    from kg.searches import Search as Search
    from kg.split import leave_one_out as leave_one_out
    from kg.split import temporal_split as temporal_split
    from kg.storage import Dataset as Dataset
    from kg.storage import load_dataset as load_dataset
    from kg.taxonomy import Taxonomy as Taxonomy
    from kg.taxonomy import describe as describe
    from kg.triples import read_triples as read_triples
    from kg.vectors import Vectors as Vectors
    from kg.vectors import read_vectors as read_vectors
    from models.intent import zero_shot as zero_shot
    from models.intent.settings import TextTraining as TextTraining
    from models.recommender import IntentRecommender as IntentRecommender
    from models.recommender import ModelConfig as ModelConfig
    from models.text import BertEncoder as BertEncoder
    from models.text import HashEncoder as HashEncoder
    from models.text import encode_texts as encode_texts
    from models.text import load_encoder as load_encoder
    from recsys.ablate import bucket_table as bucket_table
    from recsys.ablate import effect_table as effect_table
    from recsys.ablate import mask_parts as mask_parts
    from recsys.ablate import retrain_parts as retrain_parts
    from recsys.answers import intent_mix as intent_mix
    from recsys.changes import list_changes as list_changes
    from recsys.config import RunConfig as RunConfig
    from recsys.evaluate import evaluate_scores as evaluate_scores
    from recsys.fit import fit as fit
    from recsys.fit import judge as judge
    from recsys.index_audit import audit_index as audit_index
    from recsys.index_plan import IndexConfig as IndexConfig
    from recsys.intent.classify import IntentClassifier as IntentClassifier
    from recsys.intent.compress import compressed as compressed
    from recsys.intent.compress import costs as costs
    from recsys.intent.curves import label_curves as label_curves
    from recsys.intent.service import Desk as Desk
    from recsys.intent.service import coverage as coverage
    from recsys.intent.signals import learn_intents as learn_intents
    from recsys.recommender import Recommender as Recommender
    from recsys.reindex import adopting as adopting
    from recsys.reindex import reindexed as reindexed
    from recsys.reindex import reindexing as reindexing
    from recsys.steering_report import steering_report as steering_report
    from recsys.train import RunOptions as RunOptions
    from recsys.train import TrainConfig as TrainConfig
    from recsys.train import train as train
    from recsys.tune import search_settings as search_settings

_HOMES = {
    "build_graph": "kg.build", "Catalog": "kg.catalog", "clean": "kg.clean",
    "EventLog": "kg.events", "leave_one_out": "kg.split", "temporal_split": "kg.split",
    "Dataset": "kg.storage", "load_dataset": "kg.storage", "Search": "kg.searches",
    "Taxonomy": "kg.taxonomy", "describe": "kg.taxonomy", "read_triples": "kg.triples",
    "Vectors": "kg.vectors", "read_vectors": "kg.vectors",
    "load_movielens_small": "kg.datasets",
    "IntentRecommender": "models.recommender", "ModelConfig": "models.recommender",
    "BertEncoder": "models.text", "HashEncoder": "models.text", "encode_texts": "models.text",
    "load_encoder": "models.text",
    "LabelledTexts": "kg.labelled", "read_labelled": "kg.labelled",
    "IntentClassifier": "recsys.intent.classify",
    "Desk": "recsys.intent.service", "coverage": "recsys.intent.service",
    "TextTraining": "models.intent.settings", "zero_shot": "models.intent",
    "label_curves": "recsys.intent.curves",
    "compressed": "recsys.intent.compress", "costs": "recsys.intent.compress",
    "RunConfig": "recsys.config", "evaluate_scores": "recsys.evaluate", "fit": "recsys.fit",
    "judge": "recsys.fit", "learn_intents": "recsys.intent.signals",
    "Recommender": "recsys.recommender",
    "RunOptions": "recsys.train", "TrainConfig": "recsys.train", "train": "recsys.train",
    "search_settings": "recsys.tune", "mask_parts": "recsys.ablate",
    "retrain_parts": "recsys.ablate", "effect_table": "recsys.ablate",
    "bucket_table": "recsys.ablate", "list_changes": "recsys.changes",
    "IndexConfig": "recsys.index_plan", "audit_index": "recsys.index_audit",
    "reindexed": "recsys.reindex", "reindexing": "recsys.reindex", "adopting": "recsys.reindex",
    "intent_mix": "recsys.answers", "steering_report": "recsys.steering_report",
}  # fmt: skip
_SHADOWED = ("train", "fit")
"""Functions called like the module they live in, which any import of that module puts here."""
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    for same in _SHADOWED:  # the function back in its place, for that import may have been now
        if (module := sys.modules.get(f"recsys.{same}")) is not None:
            globals()[same] = getattr(module, same)
    return found
