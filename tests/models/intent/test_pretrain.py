"""Tasks that need no labels: each is learned, and the folder that comes out reads on."""

import json
import shutil

import numpy as np
import pytest
import torch

from kg.errors import UsageError
from models.intent import pretrain as module
from models.intent.pretrain import Examples, PretrainConfig, pretrain, twins
from models.text import BertEncoder
from models.text.folder import load_model

CONFIG = PretrainConfig(epochs=30, batch_size=8, learning_rate=3e-3, head_rate=1e-2, max_tokens=32)
TEXTS = ["red nail polish", "oils , oil", "nail , nail polish", "polish oil", "red oil"] * 4
PAIRS = [("red", "nail polish"), ("oil", "oils ,"), ("polish , polish", "red nail"),
         ("nails", "oil oil")] * 4  # fmt: skip
SEQUENCES = [["red", "oil", "polish"], ["red", "nail", "oil"], ["nail", "polish"]] * 8


def losses(reports, name):
    values = [report.losses[name] for report in reports]
    return values[0], values[-1]


@pytest.mark.parametrize(
    ("task", "examples"),
    [("mask", Examples(texts=TEXTS)), ("pairs", Examples(pairs=PAIRS)),
     ("order", Examples(sequences=SEQUENCES))],
)  # fmt: skip
def test_each_task_is_learned(tiny_bert, tmp_path, task, examples):
    reports = list(pretrain(tiny_bert, examples, [task], tmp_path / "e", CONFIG))
    first, last = losses(reports, task)
    assert last < 0.8 * first
    assert reports[-1].step == reports[-1].of
    before, after = load_model(tiny_bert), load_model(tmp_path / "e")
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert BertEncoder(tmp_path / "e").encode(["red oil"]).shape == (1, 16)


def test_pairs_come_near_and_strangers_apart(tiny_bert, tmp_path):
    list(pretrain(tiny_bert, Examples(pairs=PAIRS), ["pairs"], tmp_path / "e", CONFIG))
    encoder = BertEncoder(tmp_path / "e", dtype="float32")
    one, other = (encoder.encode([pair[side] for pair in PAIRS[:4]]) for side in (0, 1))
    assert (one @ other.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_tasks_together_and_the_same_seed_again(tiny_bert, tmp_path):
    examples = Examples(TEXTS, PAIRS, SEQUENCES)
    quick = CONFIG.model_copy(update={"epochs": 2})
    runs = [
        list(pretrain(tiny_bert, examples, ["mask", "pairs", "order"], tmp_path / name, quick))
        for name in "ab"
    ]
    assert set(runs[0][-1].losses) == {"mask", "pairs", "order"}
    assert [r.losses for r in runs[0]] == [r.losses for r in runs[1]]
    a, b = (load_model(tmp_path / name).state_dict() for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_words_may_stay_as_they_are(tiny_bert, tmp_path):
    still = CONFIG.model_copy(update={"words": False, "epochs": 1})
    list(pretrain(tiny_bert, Examples(texts=TEXTS), ["mask"], tmp_path / "e", still))
    key = "embeddings.word_embeddings.weight"
    a, b = (load_model(place).state_dict()[key] for place in (tiny_bert, tmp_path / "e"))
    assert torch.equal(a, b)


def test_stopped_before_its_end_nothing_is_written(tiny_bert, tmp_path):
    steps = pretrain(tiny_bert, Examples(texts=TEXTS), ["mask"], tmp_path / "e", CONFIG)
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_the_prompt_goes_with_the_encoder(tiny_bert, tmp_path):
    shutil.copytree(tiny_bert, tmp_path / "p")
    told = {"prompts": {"q": "red "}, "default_prompt_name": "q"}
    (tmp_path / "p/config_sentence_transformers.json").write_text(json.dumps(told), "utf-8")
    quick = CONFIG.model_copy(update={"epochs": 1})
    list(pretrain(tmp_path / "p", Examples(texts=TEXTS), ["mask"], tmp_path / "e", quick))
    assert BertEncoder(tmp_path / "e").prompt == "red "


def test_mistakes_are_one_sentence(tiny_bert, tmp_path):
    for tasks, examples, told in [
        (["masks"], Examples(TEXTS), "must be one of mask, pairs, order"),
        (["order"], Examples(TEXTS), "'order' needs at least two examples. Got 0"),
        ([], Examples(TEXTS), "Name at least one task"),
    ]:
        with pytest.raises(UsageError, match=told):
            list(pretrain(tiny_bert, examples, tasks, tmp_path / "e", CONFIG))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(UsageError, match="exists and is not empty"):
        list(pretrain(tiny_bert, Examples(TEXTS), ["mask"], tmp_path / "full", CONFIG))


def test_what_has_one_order_only_asks_for_none(tiny_bert, tmp_path):
    examples = Examples(sequences=[["red", "red"], ["oil"], ["red", "oil"]])
    with pytest.raises(UsageError, match=r"'order' needs at least two examples\. Got 1\."):
        list(pretrain(tiny_bert, examples, ["order"], tmp_path / "e", CONFIG))


def test_no_order_is_taken_for_another():
    rng = np.random.default_rng(0)
    for events in (["a", "b", "c"], ["a", "a", "b"], ["a", "a", "b", "b"]):
        moved = [module._moved(events, rng) for _ in range(50)]
        assert all(order != events and sorted(order) == events for order in moved)
    assert twins(["a", "b", "a", " "]) == [("a", "a"), ("b", "b")]
