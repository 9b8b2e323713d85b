"""A student of fewer layers answers what its teacher answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.distil import Teaching, softened, student, taught
from models.intent.methods import learn, restore
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier
from models.testing import check_text_classifier
from models.text import BertEncoder, HashEncoder
from models.text.narrow import layers_of

CONFIG = TextTraining(epochs=10, batch_size=8, max_tokens=32, learning_rate=5e-3)
AROUND = ["nail", "polish", "nails", ","]


def drawn(rows: int, seed: int) -> LabelledTexts:
    """ "red" wants polish, "oil" wants oil, whatever stands around."""
    rng = np.random.default_rng(seed)
    words = [("red", "oil")[row % 2] for row in range(rows)]
    around = rng.choice(AROUND, (rows, 4))
    return LabelledTexts.of(
        [" ".join([*some[:2], word, *some[2:]]) for word, some in zip(words, around, strict=True)],
        words,
    )


def blank(teacher: TunedClassifier) -> TunedClassifier:
    """A student of one layer that answers nothing yet."""
    pupil = student(teacher, 1)
    with torch.no_grad():
        for part in pupil.network.head.parameters():
            part.zero_()
    return pupil


def teacher_of(folder: Path, data: LabelledTexts) -> TunedClassifier:
    model = learn(
        data, "full", BertEncoder(folder, dtype="float32"), folder, CONFIG,
        np.random.default_rng(0),
    )  # fmt: skip
    assert isinstance(model, TunedClassifier)
    return model


def learned(model, teacher, data, more=(), **settings) -> list[float]:
    torch.manual_seed(0)
    how = Teaching(**{"learning_rate": 5e-3, "head_rate": 5e-3, "epochs": 10} | settings)
    rng = np.random.default_rng(0)
    return [report.loss for report in taught(model, teacher, data, more, CONFIG, how, rng)]


def test_the_student_learns_the_answers_and_comes_back(tiny_bert: Path, tmp_path: Path) -> None:
    data, fresh = drawn(80, 0), drawn(60, 1).texts
    teacher = teacher_of(tiny_bert, data)
    before = teacher.read(fresh)
    pupil = blank(teacher)
    assert len(layers_of(pupil.network.encoder)) == 1
    losses = learned(pupil, teacher, data, drawn(80, 2).texts)
    assert losses[-1] < losses[0] / 2
    after = pupil.read(fresh)
    assert np.corrcoef(after.logits.ravel(), before.logits.ravel())[0, 1] > 0.9
    assert (after.logits.argmax(1) == before.logits.argmax(1)).mean() > 0.9
    assert after.vectors is not None
    assert before.vectors is not None
    assert (after.vectors * before.vectors).sum(1).mean() / 16 > 0.8
    np.testing.assert_array_equal(teacher.read(fresh).logits, before.logits)
    pupil.save(tmp_path)
    back = restore(tmp_path, "full", pupil.labels, False, CONFIG, HashEncoder(), None)
    check_text_classifier(pupil, fresh[:3], back)


def test_answers_alone_teach_without_any_label(tiny_bert: Path) -> None:
    data = drawn(80, 0)
    teacher, nothing = teacher_of(tiny_bert, data), data.take(np.zeros(0, int))
    pupil = blank(teacher)
    learned(pupil, teacher, nothing, drawn(80, 2).texts, soft=1.0, vectors=0.0)
    same = pupil.read(data.texts).logits.argmax(1) == teacher.read(data.texts).logits.argmax(1)
    assert same.mean() > 0.9


def test_a_student_of_all_layers_is_its_teacher(tiny_bert: Path) -> None:
    teacher, texts = teacher_of(tiny_bert, drawn(40, 0)), drawn(10, 3).texts
    same = student(teacher, 2)
    np.testing.assert_array_equal(same.read(texts).logits, teacher.read(texts).logits)
    assert len(layers_of(student(teacher).network.encoder)) == 1
    for layers in (0, 3):
        with pytest.raises(
            UsageError, match=rf"'layers' of a student must be in \[1, 2\].*{layers}"
        ):
            student(teacher, layers)


def test_several_labels_are_taught_each_by_itself(tiny_bert: Path) -> None:
    texts = ["nail red", "nail oil", "nail red oil", "nail"] * 15
    data = LabelledTexts.of(texts, [["red"], ["oil"], ["red", "oil"], []] * 15)
    model = learn(
        data, "full", BertEncoder(tiny_bert, dtype="float32"), tiny_bert,
        CONFIG.model_copy(update={"epochs": 20}), np.random.default_rng(0),
    )  # fmt: skip
    assert isinstance(model, TunedClassifier)
    pupil = blank(model)
    learned(pupil, model, data, epochs=20)
    np.testing.assert_array_equal(pupil.read(texts[:4]).logits > 0, data.carries[:4])


def test_softened_answers_by_hand() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 3)).astype("f4")
    p = softmax(other / 2, axis=1)
    expected = 4 * (p * (log_softmax(other / 2, axis=1) - log_softmax(one / 2, axis=1))).sum(1)
    a, b = torch.from_numpy(one), torch.from_numpy(other)
    assert softened(a, b, 2.0, False).item() == pytest.approx(expected.mean(), rel=1e-4)
    assert softened(b, b, 2.0, False).item() == pytest.approx(0, abs=1e-6)
    q, r = 1 / (1 + np.exp(-other / 2)), 1 / (1 + np.exp(-one / 2))
    each = 4 * (q * np.log(q / r) + (1 - q) * np.log((1 - q) / (1 - r)))
    assert softened(a, b, 2.0, True).item() == pytest.approx(each.mean(), rel=1e-4)
