"""The encoder of a run, wherever the command runs and wherever its folder lies by now."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kg.errors import UsageError
from recsys.encoders import PLACE, LazyEncoder


def test_a_folder_is_found_from_another_directory_and_after_a_move(
    make_bert, tmp_path, monkeypatch
):
    home = tmp_path / "home"
    home.mkdir()
    made = make_bert(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "boots"],
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
    )  # fmt: skip
    folder = Path(shutil.copytree(made, home / "enc"))
    monkeypatch.chdir(home)
    first = LazyEncoder(folder.name)
    known, vectors = first.id, first.encode(["red boots"])
    assert first.name == str(folder.resolve())
    monkeypatch.chdir(tmp_path)
    later = LazyEncoder(first.name, known)
    assert np.array_equal(later.encode(["red boots"]), vectors)
    folder.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=f"not there any more.*{PLACE}"):
        LazyEncoder(first.name, known).encode(["red boots"])
    monkeypatch.setenv(PLACE, str(tmp_path / "moved"))
    assert np.array_equal(LazyEncoder(first.name, known).encode(["red boots"]), vectors)
    assert np.array_equal(LazyEncoder("enc", known).encode(["red boots"]), vectors)  # of old runs
    with pytest.raises(UsageError, match="use the same weights"):
        LazyEncoder(first.name, "bert:other").encode(["red boots"])


def test_what_else_is_wrong_with_an_encoder_that_is_there_is_told(tmp_path, monkeypatch):
    def needs(name, device):
        raise UsageError("8-bit ONNX needs the extra [onnx]")

    monkeypatch.setattr("recsys.encoders.load_encoder", needs)
    monkeypatch.setenv(PLACE, str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError, match="needs the extra"):
        LazyEncoder(str(tmp_path), "onnx-int8:known").encode(["red boots"])


def test_names_that_are_no_folders_stay_as_they_are():
    assert LazyEncoder("hash").name == "hash"
