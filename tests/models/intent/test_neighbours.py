"""Neighbours by hand, and the whole words of a tiny tokenizer."""

from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError
from models.intent.neighbours import Neighbours, renamed, whole_words

WORDS = ["red", "scarlet", "Crimson", "boat"]
VECTORS = np.array([[2, 0], [1, 0.1], [1, 0.5], [0, 3]], np.float32)


def test_nearest_first_and_not_below_the_least_cosine() -> None:
    table = Neighbours(WORDS, VECTORS, least=0.8)
    assert table.of("red") == ["scarlet", "Crimson"]
    assert table.of("RED") == table.of("red")
    assert table.of("boat") == table.of("ship") == []
    assert Neighbours(WORDS, VECTORS, least=0.8, most=1).of("red") == ["scarlet"]
    assert Neighbours(WORDS, VECTORS, least=0.8, fixed=["Scarlet"]).of("red") == ["Crimson"]
    assert Neighbours(WORDS, VECTORS, least=0.8, fixed=["Red"]).of("red") == []


def test_another_spelling_of_the_word_is_no_neighbour() -> None:
    table = Neighbours(["red", "Red", "pink"], np.ones((3, 2), np.float32))
    assert table.of("red") == ["pink"]


def test_punctuation_and_a_capital_are_kept() -> None:
    table = Neighbours(WORDS[:2], VECTORS[:2])
    rng = np.random.default_rng(0)
    assert renamed("(Red),", table, rng) == "(Scarlet),"
    assert renamed("blue!", table, rng) == "blue!"


def test_wrong_shapes_and_limits() -> None:
    with pytest.raises(UsageError, match=r"must be \[4, D\].*Got \[3, 2\]"):
        Neighbours(WORDS, VECTORS[:3])
    with pytest.raises(UsageError, match="'least' in"):
        Neighbours(WORDS, VECTORS, least=2)


def test_whole_words_of_a_wordpiece_tokenizer(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "red", "scarlet", "##s",
              "##let", "猫", "##猫", ",", "a", "42", "ships", "猫粮"]  # fmt: skip
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    tokenizer = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    weight = np.random.default_rng(0).normal(size=(len(pieces), 4)).astype(np.float32)
    weight[7] = weight[6]
    table = whole_words(tokenizer, weight, least=0.999)
    assert table.words == ["red", "scarlet", "ships"]
    assert table.of("red") == ["scarlet"]
    assert whole_words(tokenizer, weight[:6]).words == []


def test_only_words_among_some(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "scarlet", "boat", "ships"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    tokenizer = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    weight = np.random.default_rng(0).normal(size=(len(pieces), 4)).astype(np.float32)
    weight[6] = weight[8] = weight[5]
    assert set(whole_words(tokenizer, weight, least=0.999).of("red")) == {"scarlet", "ships"}
    table = whole_words(tokenizer, weight, among=["Red", "ships", "sea"], least=0.999)
    assert (table.words, table.of("red")) == (["red", "ships"], ["ships"])


def test_a_word_behind_a_space_stands_for_both_pieces() -> None:
    """As GPT-2 has them: most words of a text are read behind a space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [*"redboatĠ", "re", "red", "Ġred", "bo", "boa", "boat"]
    merges = [("r", "e"), ("re", "d"), ("Ġ", "red"), ("b", "o"), ("bo", "a"), ("boa", "t")]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(letters))}
    inner = Tokenizer(models.BPE(vocab, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
    weight = np.arange(2.0 * len(tokenizer), dtype=np.float32).reshape(-1, 2) ** 2
    table = whole_words(tokenizer, weight, least=-1)
    own = dict(zip(table.words, table._rows, strict=True))
    at = [vocab["Ġred"], vocab["boat"], vocab["re"], vocab["bo"], vocab["boa"]]
    rows = weight[at] - weight[at].mean(0)
    assert sorted(own) == ["bo", "boa", "boat", "re", "red"]
    np.testing.assert_allclose(own["red"], rows[0] / np.linalg.norm(rows[0]), atol=1e-5)


def test_whole_words_of_a_metaspace_tokenizer() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = [("<unk>", 0.0), ("▁red", -1.0), ("▁boat", -1.0), ("s", -2.0), ("ing", -2.0)]
    inner = Tokenizer(models.Unigram(pieces, unk_id=0))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    assert whole_words(tokenizer, np.eye(5, dtype=np.float32)).words == ["red", "boat"]
