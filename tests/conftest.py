"""No test reaches the network, one thread each, and no deadline on a shared machine."""

import os

for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ[name] = "1"  # before anything imports transformers; subprocesses inherit it
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("kgintent", deadline=None)
settings.load_profile("kgintent")

_ATTEMPTS: list[str] = []


def _is_local(host: Any) -> bool:
    """True for None, '', localhost and loopback addresses."""
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _stop(target: Any) -> None:
    _ATTEMPTS.append(str(target))
    pytest.fail(f"A test must not reach the network. It tried {target}.")


def _guarded(original: Callable[..., Any]) -> Callable[..., Any]:
    """`connect` or `connect_ex` of a socket, for loopback and Unix sockets only."""

    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            _stop(address)
        return original(self, address)

    return connect


def _guarded_lookup(original: Callable[..., Any]) -> Callable[..., Any]:
    """`getaddrinfo`: without it a machine with no network would hide the attempt."""

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_local(host):
            _stop(host)
        return original(host, *args, **kwargs)

    return getaddrinfo


# At import, not in a fixture: imports during collection and session fixtures are guarded too.
socket.socket.connect = _guarded(socket.socket.connect)  # type: ignore[method-assign]
socket.socket.connect_ex = _guarded(socket.socket.connect_ex)  # type: ignore[method-assign]
socket.getaddrinfo = _guarded_lookup(socket.getaddrinfo)


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Fails the test in whose time a connection was tried, even if a library hid the error."""
    yield _ATTEMPTS
    tried = list(_ATTEMPTS)
    _ATTEMPTS.clear()
    assert not tried, f"A test must not reach the network. It tried {tried}."


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Two test processes on two cores: more threads would only wait for each other."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_bert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of a random BERT that reads these words, of the sizes of a BertConfig."""

    def make(words: list[str], **sizes: int) -> Path:
        import torch
        from transformers import BertConfig, BertModel, BertTokenizerFast

        folder = tmp_path_factory.mktemp("bert")
        (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
        BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
        config = BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            BertModel(config).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def make_decoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of a random decoder of this family that reads these words and single bytes. Its
    tokenizer, as that of GPT-2, puts nothing around a text.
    """

    def make(kind: str, words: list[str], **sizes: Any) -> Path:
        import torch
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

        folder = tmp_path_factory.mktemp(kind)
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet,
            show_progress=False,
        )  # fmt: skip
        inner.train_from_iterator([f"{word} {word}" for word in words], trainer)
        PreTrainedTokenizerFast(
            tokenizer_object=inner, eos_token="<|endoftext|>", unk_token="<|endoftext|>"
        ).save_pretrained(folder)
        usual = {
            "vocab_size": inner.get_vocab_size(), "hidden_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 32,
            "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0,
            "pad_token_id": None,
        }  # fmt: skip
        config = AutoConfig.for_model(kind, **{**usual, **sizes})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModel.from_config(config).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def make_translator(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of a random T5 or BART that reads and says these words."""

    def make(kind: str, words: list[str], seed: int = 0) -> Path:
        import torch
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import (
            BartConfig,
            BartForConditionalGeneration,
            PreTrainedTokenizerFast,
            T5Config,
            T5ForConditionalGeneration,
        )

        folder, known = tmp_path_factory.mktemp(kind), ["<pad>", "</s>", "<unk>", *words]
        inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="<unk>"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        PreTrainedTokenizerFast(
            tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        ).save_pretrained(folder)
        both = {"vocab_size": len(known), "d_model": 16, "pad_token_id": 0, "eos_token_id": 1,
                "decoder_start_token_id": 0}  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if kind == "t5":
                config = T5Config(d_kv=8, d_ff=16, num_layers=1, num_heads=2, **both)
                T5ForConditionalGeneration(config).save_pretrained(folder)
            else:
                config = BartConfig(
                    encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                    decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
                    max_position_embeddings=32, forced_eos_token_id=1, bos_token_id=0, **both,
                )  # fmt: skip
                BartForConditionalGeneration(config).save_pretrained(folder)
        return folder

    return make
