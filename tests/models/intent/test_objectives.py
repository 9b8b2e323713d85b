"""What may stand beside the labels, by hand and in a training that still learns."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch import nn

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent import objectives
from models.intent.epochs import Tokens, train_epochs
from models.intent.gru import GruNetwork
from models.intent.methods import learn
from models.intent.objectives import Mixture, contrast, disagreement, make_step
from models.intent.settings import TextTraining
from models.intent.tuned import fresh_tuned
from models.text import HashEncoder

RNG = np.random.default_rng(0)


def divergence(p, q):
    return float((p * np.log(p / q)).sum(-1).mean())


def test_disagreement_by_hand():
    one, two = RNG.normal(size=(2, 5, 3))
    p, q = softmax(one, 1), softmax(two, 1)
    expected = (divergence(p, q) + divergence(q, p)) / 2
    a, b = torch.from_numpy(one), torch.from_numpy(two)
    assert disagreement(a, b, False).item() == pytest.approx(expected)
    p, q = (np.stack([expit(x), 1 - expit(x)], -1) for x in (one, two))
    expected = (divergence(p, q) + divergence(q, p)) / 2
    assert disagreement(a, b, True).item() == pytest.approx(expected)
    assert disagreement(a, a, False).item() == 0


def test_contrast_by_hand():
    vectors, code = RNG.normal(size=(6, 4)), np.array([0, 0, 1, 1, 1, 2])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    losses = []
    for i in range(5):  # the sixth has none of its kind
        others = [k for k in range(6) if k != i]
        below = np.log(sum(np.exp(unit[i] @ unit[k] / 0.1) for k in others))
        same = [k for k in others if code[k] == code[i]]
        losses.append(-np.mean([unit[i] @ unit[k] / 0.1 - below for k in same]))
    target = torch.from_numpy(np.eye(3)[code])
    found = contrast(torch.from_numpy(vectors), target)
    assert found.item() == pytest.approx(np.mean(losses))
    alone = contrast(torch.from_numpy(vectors[:2]), torch.eye(2, dtype=torch.float64))
    assert alone.item() == 0


def test_mixed_rows_lie_between_two_rows_with_their_labels():
    mix = Mixture.drawn(torch.eye(4), 0.4, np.random.default_rng(0))
    mixed = mix(torch.eye(4))
    assert not torch.equal(mixed, torch.eye(4))
    torch.testing.assert_close(mix(2 * torch.eye(4)), 2 * mixed)  # the same each time it is asked
    torch.testing.assert_close(mixed.sum(1), torch.ones(4))
    assert ((mixed > 0).sum(1) <= 2).all()


class Toy(nn.Module):
    """The mean of word vectors and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

    def vector(self, ids, mask):
        return (self.embedding(ids) * mask[..., None]).sum(1)

    def logits(self, vector):
        return self.head(vector)

    def words(self):
        return self.embedding


def gradients(**settings):
    toy = Toy()
    ids, mask = torch.arange(8).reshape(4, 2), torch.ones(4, 2, dtype=torch.bool)
    target = torch.eye(2)[[0, 1, 0, 1]]
    config = TextTraining(**settings)
    step = make_step(toy, target.numpy() > 0, False, config, np.random.default_rng(0))
    loss = step(ids, mask, target, 1.0)
    whole = torch.cat([p.grad.flatten() for p in toy.parameters()])
    half = Toy()
    step = make_step(half, target.numpy() > 0, False, config, np.random.default_rng(0))
    assert step(ids, mask, target, 0.5) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(
        torch.cat([p.grad.flatten() for p in half.parameters()]), whole / 2,
        atol=2e-4, rtol=2e-4,
    )  # fmt: skip
    return loss, whole


@pytest.mark.parametrize(
    "settings",
    [{"adversarial": "fgm"}, {"adversarial": "pgd"}, {"adversarial": "freelb"}, {"contrast": 0.5},
     {"mixup": 0.4}, {"smoothing": 0.2}],
)  # fmt: skip
def test_each_changes_the_gradients_and_accumulates(settings):
    _, plain = gradients()
    _, other = gradients(**settings)
    assert torch.isfinite(other).all()
    assert (other - plain).abs().max() > 1e-3


def test_an_adversarial_loss_is_added_not_put_in_the_place():
    loss, plain = gradients()
    found, both = gradients(adversarial="fgm", epsilon=1e-6)
    assert found == pytest.approx(loss)
    torch.testing.assert_close(both, 2 * plain, atol=1e-4, rtol=1e-4)


def test_a_contrast_needs_one_label_each():
    with pytest.raises(UsageError, match="'contrast' needs texts of one label each"):
        make_step(Toy(), np.ones((2, 2), bool), True, TextTraining(contrast=1), RNG)


@pytest.mark.parametrize(
    "settings",
    [{"consistency": 1.0}, {"contrast": 0.5}, {"adversarial": "fgm"}, {"adversarial": "pgd"},
     {"adversarial": "freelb"}],
)  # fmt: skip
def test_all_readings_of_a_step_mix_the_same_texts(settings, monkeypatch):
    """Without dropout they are read alike but for the change of an attack, which is tiny here."""
    heard, contrasted = [], []
    plain, against = objectives.classification_loss, objectives.contrast

    def loss(logits, target, *rest):
        heard.append((logits.detach(), target))
        return plain(logits, target, *rest)

    def contrasting(vectors, target):
        contrasted.append((vectors.detach(), target))
        return against(vectors, target)

    monkeypatch.setattr(objectives, "classification_loss", loss)
    monkeypatch.setattr(objectives, "contrast", contrasting)
    toy, rng = Toy(), np.random.default_rng(0)
    ids, mask = torch.arange(8).reshape(4, 2), torch.ones(4, 2, dtype=torch.bool)
    target = torch.eye(2)[[0, 1, 0, 1]]
    config = TextTraining(mixup=0.4, epsilon=1e-6, **settings)
    step = make_step(toy, target.numpy() > 0, False, config, rng)
    step(ids, mask, target, 1.0)
    assert len(heard) > 1
    assert not torch.equal(heard[0][1], target)
    for logits, wanted in heard:
        torch.testing.assert_close(wanted, heard[0][1])
        torch.testing.assert_close(logits, heard[0][0], atol=2e-3, rtol=0)
    for vectors, wanted in contrasted:  # of the texts as they are
        torch.testing.assert_close(vectors, toy.vector(ids, mask).detach().repeat(2, 1))
        torch.testing.assert_close(wanted, target.repeat(2, 1))
    assert bool(contrasted) == ("contrast" in settings)
    before = heard[0][1]
    step(ids, mask, target, 1.0)
    assert not torch.equal(heard[-1][1], before)  # each step draws anew


def test_losses_are_float32_where_the_network_reads_in_bfloat16(tiny_bert):
    torch.manual_seed(0)
    ids, mask = torch.randint(1, 9, (10, 3)), torch.ones(10, 3, dtype=torch.bool)
    data = LabelledTexts.of(["red", "oil"], ["x", "y"])
    tuned = fresh_tuned(tiny_bert, "full", data, TextTraining(), np.random.default_rng(0))
    for network in (tuned.network, GruNetwork(20, 5, 0.0).eval()):
        with torch.autocast("cpu", torch.bfloat16):
            logits, vectors = network(ids, mask)
        assert logits.dtype == vectors.dtype == torch.float32
    target = torch.eye(5)[torch.arange(10) % 5]

    class Fixed(nn.Module):
        """Vectors and logits that are known, whatever the products are made in."""

        def vector(self, ids, mask):
            return vectors.detach().clone().requires_grad_()

        def logits(self, vector):
            return logits.detach() + 0 * vector.sum()

    config = TextTraining(consistency=1.0, contrast=1.0)
    step = make_step(Fixed(), target.numpy() > 0, False, config, RNG)
    whole = step(ids, mask, target, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert step(ids, mask, target, 1.0) == whole


@pytest.mark.parametrize("rows", [48, 41])
def test_batches_that_make_one_update_count_by_their_texts(rows):
    """Six batches of 8, or the last with 1 text, in groups of 4: the last group has two."""
    weight, found = nn.Parameter(torch.zeros(1)), []

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = weight

    def learn(ids, mask, target, scale):
        loss = (weight * target[:, 0]).mean()
        (scale * loss).backward()
        return loss.item()

    def after(update):
        found.append(weight.grad.item())

    carries = np.arange(rows, dtype=np.float32)[:, None]
    config = TextTraining(epochs=1, batch_size=8, accumulate=4, clip=1e9)
    groups, rng = [{"params": [weight], "lr": 0.0}], np.random.default_rng(0)
    data, order = Tokens([[1, 2]] * rows, carries), []
    batch = Tokens.batch

    def told(self, at):
        order.append(at)
        return batch(self, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tokens, "batch", told)
        list(train_epochs(One(), data, learn, groups, config, rng, after=after))
    assert len(order) == 6
    wanted = [np.concatenate(order[:4]).mean(), np.concatenate(order[4:]).mean()]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"consistency": 1.0, "contrast": 0.1}, {"mixup": 0.2}, {"adversarial": "freelb"},
     {"augment": ("drop", "swap")}, {"class_weights": True, "smoothing": 0.1, "accumulate": 2}],
)  # fmt: skip
def test_a_gru_still_learns_with_each(settings):
    words = ["buy shoes", "send parcel", "play music"]
    rng = np.random.default_rng(0)
    texts = [f"{words[row % 3]} {rng.choice(['now', 'please', 'today'])}" for row in range(60)]
    data = LabelledTexts.of(texts, [words[row % 3] for row in range(60)])
    config = TextTraining(epochs=12, batch_size=8, **settings)
    model = learn(data, "gru", HashEncoder(), None, config, np.random.default_rng(1))
    assert (model.read(data.texts).logits.argmax(1) == data.code).mean() > 0.95


def test_an_unknown_move_is_named():
    data = LabelledTexts.of(["a b", "c d"] * 4, ["x", "y"] * 4)
    config = TextTraining(epochs=1, augment=("swop",))
    with pytest.raises(UsageError, match="Did you mean 'swap'"):
        learn(data, "gru", HashEncoder(), None, config, np.random.default_rng(0))
