"""Synonyms and back-translation as settings: made once, refused before anything is learned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kg.errors import DataError, UsageError
from kg.intents.labelled import LabelledTexts
from models.intent import moves as module
from models.intent.augment import MOVES, half_moved
from models.intent.methods import learn
from models.intent.moves import BackTranslation, made_moves, ready_moves
from models.intent.settings import TextTraining
from models.text import BertEncoder, HashEncoder

WORDS = ["red", "nail", "polish", "oil", "oils"]
TEXTS = ["red nail polish", "oil", "red oil", "nail oil polish"] * 4
DATA = LabelledTexts.of(TEXTS, ["red", "oil", "red", "oil"] * 4)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def there_and_back(make_translator: Callable[..., Path]) -> dict[str, str]:
    return {
        "translate_there": str(make_translator("t5", WORDS)),
        "translate_back": str(make_translator("bart", WORDS, seed=1)),
    }


def alike(folder: Path, *words: str) -> torch.nn.Embedding:
    """The embeddings of the folder's words, those of these words all the same."""
    encoder = BertEncoder(folder)
    table = encoder.model.get_input_embeddings()
    at = [encoder.spans(word)[0][1] for word in words]
    with torch.no_grad():
        table.weight[at] = table.weight[at[0]].clone()
    return table


def test_a_text_is_translated_once() -> None:
    asked: list[str] = []

    def there(texts):
        asked.extend(texts)
        return [text.upper() for text in texts]

    move = BackTranslation(there, lambda texts: [text[::-1] for text in texts])
    assert move(["ab", "cd", "ab"], rng()) == ["BA", "DC", "BA"]
    assert move(["cd", "ef", " "], rng(), 0.5) == ["DC", "FE", " "]
    assert asked == ["ab", "cd", "ef", " "]


def test_synonyms_are_those_of_the_encoder(tiny_bert: Path) -> None:
    config = TextTraining(augment=("synonyms",))
    table = alike(tiny_bert, "nail", "polish")
    moves = ready_moves(MOVES, config, TEXTS, tiny_bert, table)
    assert moves["synonyms"](["a Nail", "red"], rng(), 0.5) == ["a Polish", "red"]
    assert set(moves) == {*MOVES, "synonyms"}
    few = ready_moves(MOVES, config, TEXTS, tiny_bert, table, among=["nail", "red", "oil"])
    assert few["synonyms"](["a nail"], rng(), 0.5) == ["a nail"]
    found = half_moved(["nail"] * 50, config, rng(), moves)
    assert set(found) == {"nail", "polish"}


def test_what_is_not_asked_for_is_not_made() -> None:
    assert made_moves(TextTraining(), "frozen") is MOVES
    config = TextTraining(augment=("drop",))
    assert ready_moves(made_moves(config, "gru"), config, TEXTS, None) is MOVES


@pytest.mark.parametrize("method", ["frozen", "svm", "rules"])
def test_methods_without_epochs_refuse_any_move(method: str) -> None:
    for name in ("drop", "synonyms"):
        config = TextTraining(augment=(name,))
        with pytest.raises(UsageError, match=rf"that has epochs \(full, .*\)\. Got '{method}'"):
            learn(DATA, method, HashEncoder(), None, config, rng())


def test_misuse_is_named_before_anything_is_read(tmp_path: Path, there_and_back: dict) -> None:
    with pytest.raises(UsageError, match=r"Got 'synonym' instead\. Did you mean 'synonyms'"):
        made_moves(TextTraining(augment=("synonym",)), "gru")
    half = {"augment": ("back_translation",), "translate_back": "x"}
    with pytest.raises(UsageError, match=r"'translate_there' into .* Got None and 'x'"):
        made_moves(TextTraining(**half), "gru")
    gone = TextTraining(**half, translate_there=str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone' has no config\.json"):
        made_moves(gone, "gru")
    whole = TextTraining(augment=("back_translation",), **there_and_back)
    assert set(made_moves(whole, "lora")) == {*MOVES, "back_translation"}


@pytest.mark.parametrize("method", ["full", "lora", "adapter", "gru"])
def test_a_method_of_epochs_reads_both(
    method: str, tiny_bert: Path, there_and_back: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated: list[str] = []
    build = module.seq2seq

    def counted(folder, **options):
        inner = build(folder, **options)

        def run(texts):
            translated.extend(texts)
            return inner(texts)

        return run

    monkeypatch.setattr(module, "seq2seq", counted)
    config = TextTraining(
        epochs=4, batch_size=8, max_tokens=16, augment=("synonyms", "back_translation"),
        **there_and_back,
    )  # fmt: skip
    encoder = BertEncoder(tiny_bert, dtype="float32")
    model = learn(DATA, method, encoder, tiny_bert, config, rng())
    assert len(translated) == 2 * len(set(TEXTS))  # once there and once back, whatever the epochs
    assert np.isfinite(model.read(TEXTS).logits).all()
    plain = learn(
        DATA, method, encoder, tiny_bert, config.model_copy(update={"augment": ()}), rng()
    )
    assert not np.allclose(plain.read(TEXTS).logits, model.read(TEXTS).logits, atol=1e-4)


def test_a_long_text_is_still_cut_after_synonyms_were_made(tiny_bert: Path) -> None:
    config = TextTraining(epochs=1, max_tokens=16, augment=("synonyms",))
    model = learn(DATA, "lora", BertEncoder(tiny_bert), tiny_bert, config, rng())
    assert np.isfinite(model.read(["red " * 500]).logits).all()
