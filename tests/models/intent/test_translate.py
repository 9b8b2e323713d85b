"""A tiny random T5 and BART in a folder: shapes, seeds and refusals; no meaning."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from models.intent.augment import back_translated
from models.intent.translate import seq2seq

WORDS = ["red", "nail", "polish", "oil", "boat", "<de>"]
TEXTS = ["red nail polish", "", "oil", "boat boat red", "nail"]


@pytest.fixture(scope="module", params=["t5", "bart"])
def folder(request, make_translator: Callable[..., Path]) -> Path:
    return make_translator(request.param, WORDS)


def test_beam_search_gives_one_text_each_in_any_batch(folder: Path) -> None:
    whole = seq2seq(folder, beams=2, max_tokens=6)(TEXTS)
    assert len(whole) == len(TEXTS)
    assert whole[1] == ""
    assert whole == seq2seq(folder, beams=2, max_tokens=6, batch=2)(TEXTS)
    assert seq2seq(folder)([]) == []


def test_sampling_follows_its_generator_and_leaves_torchs_alone(folder: Path) -> None:
    import torch

    def sample(seed: int) -> list[str]:
        return seq2seq(folder, np.random.default_rng(seed), max_tokens=8)(TEXTS * 3)

    torch.manual_seed(5)
    want = torch.rand(2)
    torch.manual_seed(5)
    assert sample(0) == sample(0)
    assert sample(0) != sample(1)
    assert torch.equal(torch.rand(2), want)


def test_there_and_back_and_nothing_comes_back_empty(folder: Path) -> None:
    there, back = seq2seq(folder, beams=1), seq2seq(folder, np.random.default_rng(0))
    found = back_translated(TEXTS, there, back)
    assert [bool(text) for text in found] == [bool(text) for text in TEXTS]


def test_a_target_language_is_the_first_token(make_translator: Callable[..., Path]) -> None:
    folder = make_translator("bart", WORDS)
    found = seq2seq(folder, beams=1, target="<de>", max_tokens=3)(["red"])[0]
    assert found.split()[0] == "<de>"
    with pytest.raises(UsageError, match="'target' of seq2seq must be a token"):
        seq2seq(folder, target="<fr>")(["red"])


def test_folders_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no config\.json"):
        seq2seq(tmp_path)
    (tmp_path / "config.json").write_text("{}", "utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="pickled"):
        seq2seq(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="No translator loads"):
        seq2seq(tmp_path)(["red"])
    with pytest.raises(UsageError, match=">= 1"):
        seq2seq(tmp_path, beams=0)


def test_a_missing_weight_is_not_made_up(make_translator: Callable[..., Path]) -> None:
    from safetensors.numpy import load_file, save_file

    folder = make_translator("bart", WORDS)
    file = folder / "model.safetensors"
    weights = load_file(file)
    gone = next(name for name in sorted(weights) if "fc1.weight" in name)
    del weights[gone]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match="1 tensors are missing"):
        seq2seq(folder)(["red"])
