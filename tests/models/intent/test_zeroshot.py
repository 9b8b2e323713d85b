"""Intents by similarity: by hand, and where all vectors are nearly the same."""

import numpy as np
import pytest

from kg.errors import UsageError
from kg.intents.taxonomy import Taxonomy, describe
from models.intent import zero_shot
from models.intent.zeroshot import ZeroShotClassifier
from models.testing import check_text_classifier
from models.text import NgramEncoder


def test_by_hand():
    intent = np.array([[1, 0], [-1, 0]], np.float32)  # mean 0
    text = np.array([[2, 0], [0, 3], [-1, 0], [0, 0]], np.float32)
    p = zero_shot(text, intent, temperature=0.5)
    sure = 1 / (1 + np.exp(-4))  # cosines 1 and -1: (1 - -1) / 0.5
    np.testing.assert_allclose(p[:, 0], [sure, 0.5, 1 - sure, 0.5], atol=1e-6)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert p.dtype == np.float32


def test_a_direction_that_all_share_is_taken_away():
    rng = np.random.default_rng(0)
    shared, ways = rng.normal(size=16) * 5, rng.normal(size=(4, 16))
    truth = rng.integers(0, 4, 200)
    text = ways[truth] + 0.7 * rng.normal(size=(200, 16)) + 1.3 * shared
    intent = ways + shared
    plain = zero_shot(text, intent)
    centred = zero_shot(text, intent, mean=text.mean(0))
    right = [(p.argmax(1) == truth).mean() for p in (plain, centred)]
    assert right[1] > 0.9
    assert centred.max(1).mean() > plain.max(1).mean()
    np.testing.assert_allclose(zero_shot(text + 3, intent + 3, mean=text.mean(0) + 3), centred,
                               atol=1e-4)  # fmt: skip


def test_chinese_searches_that_share_words_find_their_intent():
    found = Taxonomy.bundled()
    encoder = NgramEncoder()
    asked = ["电影推荐", "减脂训练", "想听音乐", "旅游景点"]
    p = zero_shot(encoder.encode(asked), encoder.encode(describe(found, "zh")))
    assert [found.keys[k] for k in p.argmax(1)] == ["films", "fitness", "music", "travel"]


def test_no_text_and_a_zero_temperature():
    intent = np.eye(3, dtype=np.float32)
    assert zero_shot(np.zeros((0, 3), np.float32), intent).shape == (0, 3)
    with pytest.raises(UsageError, match="'temperature'"):
        zero_shot(intent, intent, temperature=0)
    with pytest.raises(UsageError, match="at least 2 intents"):
        zero_shot(intent, intent[:1])
    with pytest.raises(UsageError, match=r"one width. Got \[3, 3\] and \[3, 2\]"):
        zero_shot(intent, intent[:, :2])


def test_the_classifier_says_what_the_function_says(tmp_path):
    encoder = NgramEncoder()
    labels, said = ("money", "parcel"), ["money back", "where is my parcel"]
    intents = encoder.encode(said)
    model = ZeroShotClassifier(labels, encoder, intents, intents.mean(0))
    model.save(tmp_path)
    back = ZeroShotClassifier.load(tmp_path, labels, False, encoder)
    check_text_classifier(model, said, back)
    texts = ["my money", "the parcel", ""]
    reading = model.read(texts)
    found = np.exp(reading.logits) / np.exp(reading.logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, zero_shot(encoder.encode(texts), intents), atol=1e-5)
    assert reading.known is not None
    assert reading.known.tolist() == [True, True, False]
