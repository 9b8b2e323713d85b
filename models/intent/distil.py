"""A small student learns what a teacher answers: fewer layers, or a BERT that lost some parts.

The student of fewer layers begins as some of the teacher's own (Sanh et al. 2019,
arXiv:1910.01108, DistilBERT) and learns from its logits (Hinton et al. 2015, arXiv:1503.02531),
its vectors, and the labels where there are any.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.contract import TextClassifier
from models.intent.epochs import TextEpoch, Tokens, train_epochs
from models.intent.linear import classification_loss
from models.intent.objectives import Step
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier, TunedNetwork, let_learn
from models.text.narrow import keep_layers, layers_of


class Teaching(BaseModel):
    """What a student learns from a teacher."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    temperature: float = Field(2.0, gt=0, description="Softens both their answers.")
    soft: float = Field(0.7, ge=0, le=1, description="Weight of the answers; the labels': the rest")
    vectors: float = Field(1.0, ge=0, description="Weight of vectors pointing the same way.")
    epochs: int = Field(0, ge=0, description="0: as many as fit the number of texts.")
    learning_rate: float = Field(1e-4, gt=0, description="Of the encoder.")
    head_rate: float = Field(1e-3, gt=0)


def student(teacher: TunedClassifier, layers: int | None = None) -> TunedClassifier:
    """A copy with only so many layers, spread evenly from first to last; None: half of them.

    `teacher` is of method "full". Raises `UsageError` unless it has as many.
    """
    most = len(layers_of(teacher.network.encoder))
    count = -(-most // 2) if layers is None else layers
    if not 1 <= count <= most:
        raise UsageError(
            f"The 'layers' of a student must be in [1, {most}], as its teacher has. Got {count}."
        )
    network = copy.deepcopy(teacher.network)
    keep_layers(network.encoder, np.linspace(0, most - 1, count).round().astype(int).tolist())
    return TunedClassifier(
        teacher.labels, teacher.many, "full", teacher.folder, network.eval(), teacher.max_tokens
    )


def taught(
    model: TunedClassifier, teacher: TextClassifier, data: LabelledTexts, more: Sequence[str],
    config: TextTraining, teaching: Teaching, rng: np.random.Generator, *, bfloat16: bool = False,
) -> Iterator[TextEpoch]:  # fmt: skip
    """Teach in place, on labelled texts and on `more` without labels.

    Batches, warmup and decay are those of `config`, the rest those of `teaching`.
    """
    network = model.network
    let_learn(network.encoder)
    inside = [part for part in network.encoder.parameters() if part.requires_grad]
    groups = [
        {"params": inside, "lr": teaching.learning_rate},
        {"params": list(network.head.parameters()), "lr": teaching.head_rate},
    ]
    tokens, width = _lesson(model, teacher, data, more)
    learn = _step(network, len(model.labels), width, model.many, teaching)
    planned = config.model_copy(update={"epochs": teaching.epochs})
    yield from train_epochs(network, tokens, learn, groups, planned, rng, bfloat16=bfloat16)


def _lesson(
    model: TunedClassifier, teacher: TextClassifier, data: LabelledTexts, more: Sequence[str]
) -> tuple[Tokens, int]:
    """Tokens whose target is (labelled, labels, logits, vectors) [n, 1 + 2L + D], and D.

    D is 0 where the teacher's vectors are of another width than the student's.
    """
    texts = [*data.texts, *more]
    labels = data.over(model.labels).carries
    told = np.ones(len(labels), bool) if model.many else labels.any(axis=1)
    answers = teacher.read(texts)
    wide = answers.vectors is not None and answers.vectors.shape[1] == _width(model.network)
    blank = np.zeros((len(more), 1 + labels.shape[1]), np.float32)
    known = np.concatenate([np.column_stack([told, labels]).astype(np.float32), blank])
    parts = [known, answers.logits]
    if wide and answers.vectors is not None:
        parts.append(answers.vectors)
    return model.tokens(texts, np.concatenate(parts, axis=1)), _width(model.network) if wide else 0


def _width(network: TunedNetwork) -> int:
    return int(network.encoder.config.hidden_size)


def _step(network: TunedNetwork, labels: int, width: int, many: bool, how: Teaching) -> Step:
    def step(ids: Tensor, mask: Tensor, target: Tensor, scale: float) -> float:
        told, truth, wanted, near = target.split([1, labels, labels, width], dim=1)
        vector = network.vector(ids, mask)
        logits = network.logits(vector)
        hard = (classification_loss(logits, truth, many) * told[:, 0]).mean()
        total = (1 - how.soft) * hard
        total = total + how.soft * softened(logits, wanted, how.temperature, many)
        if width and how.vectors:
            total = total + how.vectors * (1 - F.cosine_similarity(vector, near)).mean()
        (scale * total).backward()
        return total.item()

    return step


def softened(logits: Tensor, wanted: Tensor, temperature: float, many: bool) -> Tensor:
    """T² KL(softmax(teacher / T) | softmax(student / T)), the mean over texts; where `many` T²
    KL of each label's yes and no, the mean over labels.

    logits, wanted [B, L]. Hinton et al. 2015, arXiv:1503.02531, §2.
    """
    student, teacher = logits / temperature, wanted / temperature
    if many:
        cross = F.binary_cross_entropy_with_logits(student, teacher.sigmoid())
        own = F.binary_cross_entropy_with_logits(teacher, teacher.sigmoid())
        return temperature**2 * (cross - own)
    gap = torch.log_softmax(teacher, 1) - torch.log_softmax(student, 1)
    return temperature**2 * (teacher.softmax(1) * gap).sum(1).mean()
