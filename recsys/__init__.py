"""Train, index, recommend, explain, evaluate: everything a user needs comes from here.

The idea: `fit` (or the parts it is made of) turns a log and a catalogue into a `Recommender`;
that object answers, and `save` makes a folder of it that is whole or not there.

    training/    the offline job: settings, fit, train, tune
    partners/    what stands beside the model: neighbours, factors, trend, habits, popularity
    intent/      what people and texts want, by name

    recommender  Recommender: recommend, similar, intents, explain, with_items, with_facts
    serving/     what it is made of: queries, wishes, filters, reasons, new items, facts and events
    retrieval    from queries to lists: the index, what is added, what is left out
    hits         top-k answers as arrays
    index        VectorIndex: exact, or FAISS proposes and exact products decide
    index_plan   which index, and how hard it looks, by what people ask
    index_audit  what an index finds, how fast, in how much room
    reindex      a new index for a recommender, now or beside the work

    metrics/     ranking, lists, labels, significance
    baselines/   popularity, item-kNN, EASE, text-kNN, SASRec and others
    judging/     full ranking, comparisons, ablations, leaks
    testing      the contract of a recommender

    notices      who hears of it when a training does something else than was asked for
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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kg.building.build import build_graph as build_graph
    from kg.building.from_table import from_table as from_table
    from kg.building.triples import Triples as Triples
    from kg.building.triples import read_triples as read_triples
    from kg.catalog import Catalog as Catalog
    from kg.clean import CleanConfig as CleanConfig
    from kg.clean import clean as clean
    from kg.datasets import load_movielens_small as load_movielens_small
    from kg.errors import DataError as DataError
    from kg.errors import UsageError as UsageError
    from kg.events import EventLog as EventLog
    from kg.graph import KnowledgeGraph as KnowledgeGraph
    from kg.graph_store import load_graph as load_graph
    from kg.graph_store import save_graph as save_graph
    from kg.intents.labelled import LabelledTexts as LabelledTexts
    from kg.intents.labelled import read_labelled as read_labelled
    from kg.intents.taxonomy import Taxonomy as Taxonomy
    from kg.intents.taxonomy import describe as describe
    from kg.schema import Behaviour as Behaviour
    from kg.searches import Search as Search
    from kg.split import leave_one_out as leave_one_out
    from kg.split import make_split as make_split
    from kg.split import temporal_split as temporal_split
    from kg.storage import Dataset as Dataset
    from kg.storage import load_dataset as load_dataset
    from kg.storage import save_dataset as save_dataset
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
    from recsys.index_audit import audit_index as audit_index
    from recsys.index_plan import IndexConfig as IndexConfig
    from recsys.intent.classify import IntentClassifier as IntentClassifier
    from recsys.intent.compress import compressed as compressed
    from recsys.intent.compress import costs as costs
    from recsys.intent.curves import label_curves as label_curves
    from recsys.intent.service import Desk as Desk
    from recsys.intent.service import coverage as coverage
    from recsys.intent.signals import learn_intents as learn_intents
    from recsys.judging.ablate import mask_parts as mask_parts
    from recsys.judging.as_of import as_of as as_of
    from recsys.judging.compare import compare as compare
    from recsys.judging.effects import bucket_table as bucket_table
    from recsys.judging.effects import effect_table as effect_table
    from recsys.judging.evaluate import evaluate_scores as evaluate_scores
    from recsys.judging.retrain import retrain_parts as retrain_parts
    from recsys.judging.steering import steering_report as steering_report
    from recsys.metrics.significance import paired_bootstrap as paired_bootstrap
    from recsys.recommender import Recommender as Recommender
    from recsys.reindex import adopting as adopting
    from recsys.reindex import reindexed as reindexed
    from recsys.reindex import reindexing as reindexing
    from recsys.serving.answers import intent_mix as intent_mix
    from recsys.serving.changes import list_changes as list_changes
    from recsys.training.config import RunConfig as RunConfig
    from recsys.training.fit import fit as fit
    from recsys.training.fit import judge as judge
    from recsys.training.settings import RunOptions as RunOptions
    from recsys.training.settings import TrainConfig as TrainConfig
    from recsys.training.train import train as train
    from recsys.training.tune import search_settings as search_settings

_HOMES = {
    "build_graph": "kg.building.build", "from_table": "kg.building.from_table",
    "Catalog": "kg.catalog", "clean": "kg.clean", "CleanConfig": "kg.clean",
    "DataError": "kg.errors", "UsageError": "kg.errors", "Behaviour": "kg.schema",
    "EventLog": "kg.events", "leave_one_out": "kg.split", "temporal_split": "kg.split",
    "make_split": "kg.split", "Dataset": "kg.storage", "load_dataset": "kg.storage",
    "save_dataset": "kg.storage", "Search": "kg.searches", "KnowledgeGraph": "kg.graph",
    "load_graph": "kg.graph_store", "save_graph": "kg.graph_store",
    "Triples": "kg.building.triples",
    "Taxonomy": "kg.intents.taxonomy", "describe": "kg.intents.taxonomy",
    "read_triples": "kg.building.triples",
    "Vectors": "kg.vectors", "read_vectors": "kg.vectors",
    "load_movielens_small": "kg.datasets",
    "IntentRecommender": "models.recommender", "ModelConfig": "models.recommender",
    "BertEncoder": "models.text", "HashEncoder": "models.text", "encode_texts": "models.text",
    "load_encoder": "models.text",
    "LabelledTexts": "kg.intents.labelled", "read_labelled": "kg.intents.labelled",
    "IntentClassifier": "recsys.intent.classify",
    "Desk": "recsys.intent.service", "coverage": "recsys.intent.service",
    "TextTraining": "models.intent.settings", "zero_shot": "models.intent",
    "label_curves": "recsys.intent.curves",
    "compressed": "recsys.intent.compress", "costs": "recsys.intent.compress",
    "RunConfig": "recsys.training.config", "fit": "recsys.training.fit",
    "judge": "recsys.training.fit", "learn_intents": "recsys.intent.signals",
    "RunOptions": "recsys.training.settings", "TrainConfig": "recsys.training.settings",
    "train": "recsys.training.train", "search_settings": "recsys.training.tune",
    "as_of": "recsys.judging.as_of", "compare": "recsys.judging.compare",
    "paired_bootstrap": "recsys.metrics.significance",
    "evaluate_scores": "recsys.judging.evaluate", "steering_report": "recsys.judging.steering",
    "mask_parts": "recsys.judging.ablate", "retrain_parts": "recsys.judging.retrain",
    "effect_table": "recsys.judging.effects", "bucket_table": "recsys.judging.effects",
    "Recommender": "recsys.recommender", "intent_mix": "recsys.serving.answers",
    "list_changes": "recsys.serving.changes", "IndexConfig": "recsys.index_plan",
    "audit_index": "recsys.index_audit", "reindexed": "recsys.reindex",
    "reindexing": "recsys.reindex", "adopting": "recsys.reindex",
}  # fmt: skip
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
