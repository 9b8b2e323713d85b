"""Where networks learn: named, refused, or a card; the last tests need one and skip without."""

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from kg.split import leave_one_out
from kg.testing import planted
from models.device import checked_device, device_name, device_of, drawing
from models.intent.pretrain import Examples, PretrainConfig, pretrain, twins
from models.intent.settings import TextTraining
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys import IntentClassifier
from recsys.encoders import LazyEncoder
from recsys.intent.compress import compressed
from recsys.training.optimise import learning_device, short_products
from recsys.training.settings import RunOptions, TrainConfig
from recsys.training.train import train

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")
STILL = ModelConfig(
    dim=16, layers=1, dropout=0.0, id_dropout=0.0, item_dropout=0.0, text_dim=16, max_length=12,
    repeats=True,
)  # fmt: skip
WANTS = {"refund": "money back please", "parcel": "where is my parcel"}


@pytest.mark.parametrize("name", ["toaster", "meta", "cuda:99"])
def test_a_device_that_torch_cannot_count_on_is_refused(name):
    with pytest.raises(UsageError, match=f"'device' parameter of Here .* Got '{name}'"):
        checked_device(name, "Here")


def test_auto_is_a_card_if_there_is_one_and_the_processor_where_all_must_come_out_the_same(
    monkeypatch,
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert learning_device(RunOptions()) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert learning_device(RunOptions()) == "cuda"
    assert learning_device(RunOptions(deterministic=True)) == "cpu"
    assert learning_device(RunOptions(device="cpu")) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert not short_products(RunOptions(precision="auto"))


def test_draws_are_those_of_the_seed_and_leave_no_trace():
    torch.manual_seed(5)
    after = torch.rand(3)
    torch.manual_seed(5)
    with drawing(1):
        one = torch.rand(3)
    assert torch.equal(torch.rand(3), after)
    with drawing(1):
        assert torch.equal(torch.rand(3), one)


def test_an_encoder_that_moves_is_the_same_one():
    lazy = LazyEncoder("hash", device="cpu")
    known, before = lazy.id, lazy.encode(["a b"])
    lazy.to("elsewhere")  # 'hash' reads anywhere
    assert (lazy.id, lazy.dim) == (known, before.shape[1])
    assert np.array_equal(lazy.encode(["a b"]), before)


def test_a_classifier_moves_only_to_a_device_that_there_is():
    texts = [text for text in WANTS.values() for _ in range(4)]
    made = IntentClassifier.fit(LabelledTexts.of(texts, [*["a"] * 4, *["b"] * 4]), "svm")
    assert made.to("cpu") is made
    with pytest.raises(UsageError, match="'device' parameter of IntentClassifier"):
        made.to("toaster")


def messages():
    rng = np.random.default_rng(0)
    names = [sorted(WANTS)[row % 2] for row in range(60)]
    texts = [f"{WANTS[name]} {rng.choice(['now', 'today', 'thanks'])}" for name in names]
    return LabelledTexts.of(texts, names)


@needs_card
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_on_a_card_a_recommender_learns_as_on_the_processor(loss):
    world = planted(np.random.default_rng(0), users=60, signal=1.0)
    split = leave_one_out(world.log)
    said = []
    for device in ("cpu", "cuda"):
        graph = build_graph(split.train, world.catalog, triples=world.triples)
        text = HashEncoder(32).encode(world.catalog.full_texts())
        torch.manual_seed(0)
        model = IntentRecommender(graph, text, STILL, behaviours=len(split.train.behaviours))
        config = TrainConfig(max_epochs=3, loss=loss)
        said.append([r.loss for r in train(model, split, config, RunOptions(device=device))])
        assert device_of(model).type == "cpu"  # where it serves
    assert said[0] == pytest.approx(said[1], rel=1e-3)


@needs_card
@pytest.mark.parametrize("method", ["full", "lora", "adapter", "gru", "full+frozen"])
def test_on_a_card_texts_are_learned_and_read_there_and_here(method, make_bert, tmp_path):
    bert = make_bert([word for text in WANTS.values() for word in text.split()], hidden_size=32)
    if method == "lora":
        pytest.importorskip("peft")
    config = TextTraining(epochs=3, consistency=0.1, adversarial="fgm", augment=("typos", "drop"))
    made = IntentClassifier.fit(
        messages(), method, encoder=bert, config=config, options=RunOptions(device="cuda")
    )
    there = made.probabilities(messages().texts)
    made.save(tmp_path / "c")
    back = IntentClassifier.load(tmp_path / "c")
    assert back.probabilities(messages().texts) == pytest.approx(there, abs=1e-3)
    assert made.to("cpu").probabilities(messages().texts) == pytest.approx(there, abs=1e-3)


@needs_card
def test_on_a_card_an_encoder_is_pretrained_and_a_classifier_made_small(make_bert, tmp_path):
    bert = make_bert([word for text in WANTS.values() for word in text.split()], hidden_size=32)
    said = list(messages().texts)
    reports = list(pretrain(bert, Examples(texts=said, pairs=twins(said)), ["mask", "pairs"],
                            tmp_path / "e", PretrainConfig(epochs=2), device="cuda"))  # fmt: skip
    assert np.isfinite(list(reports[-1].losses.values())).all()
    options = RunOptions(device="cuda")
    made = IntentClassifier.fit(
        messages(), "full", encoder=tmp_path / "e", config=TextTraining(epochs=2), options=options
    )
    small = compressed(made, "distil", messages(), layers=1, options=options)
    eight = compressed(small, "int8", messages(), options=options)
    for one in (small, eight):
        assert one.evaluate(messages())["accuracy"] > 0.5


def test_the_processor_has_a_name():
    assert device_name("cpu") == "cpu"


@needs_card
def test_a_card_has_its_own():
    assert device_name("cuda") == torch.cuda.get_device_name()
