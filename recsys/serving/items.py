"""All items a recommender knows: those of training, and those added since.

Trained items keep their numbers and rows; added ones follow. A trained item that is told anew gets
a second row, which hides the first, so that nothing trained ever moves; events, and all that is
learned from them, go by the first row of an id, and the newest is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from scipy import sparse

from kg.catalog import Catalog
from kg.errors import UsageError, suggest
from kg.graph import KnowledgeGraph, Relation
from models.gnn.adjacency import Adjacency, mean_adjacency
from models.items import ItemParts
from models.recommender import IntentRecommender

Fact = tuple[Relation, int]
"""A relation that leaves an item, and the node at its end."""


@dataclass(frozen=True)
class ItemStore:
    """N items: id and title each, parts float32 [N, D] of their vectors, text float32 [N, T].

    hidden bool [N]: in no answer (removed, replaced by a newer row, or `absent`: out of stock for
    now); `unknown` bool [N]: nothing is known of it, so that it is in no list but that of what is
    popular. Of added items only: `facts`, what they share with the graph; `told`, the attributes
    that they were added with; `texts`, where they have one. `extras` are parts float32 [N, D] from
    named vectors, such as images; `numbers` float64 [N] of columns such as the price, NaN where
    there is none. newest and first int64 [N]: such a row of each row's id.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    text_part: np.ndarray
    graph_part: np.ndarray
    id_part: np.ndarray
    text: np.ndarray
    hidden: np.ndarray
    trained: int
    facts: dict[int, tuple[Fact, ...]]
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    told: Mapping[int, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    absent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    unknown: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    texts: Mapping[int, str] = field(default_factory=dict)
    newest: np.ndarray = field(init=False, repr=False, compare=False)
    first: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = {key: code for code, key in enumerate(self.ids)}  # the newest row of an id wins
        object.__setattr__(self, "_codes", codes)
        newest = first = np.arange(len(self.ids))
        if self.trained < len(self.ids):
            newest = np.array([codes[key] for key in self.ids], np.int64)
            _, at, back = np.unique(newest, return_index=True, return_inverse=True)
            first = at[back]
        object.__setattr__(self, "newest", newest)
        object.__setattr__(self, "first", first)
        for name in ("absent", "unknown"):
            if len(getattr(self, name)) != len(self.ids):
                object.__setattr__(self, name, np.zeros(len(self.ids), bool))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def shown(self) -> np.ndarray | None:
        """bool [N]: may be in an answer to somebody; None if all may."""
        never = self.hidden | self.unknown
        return ~never if never.any() else None

    @cached_property
    def living(self) -> np.ndarray:
        """bool [N]: the newest row of its id, and not removed; out of stock it may be."""
        return (self.newest == np.arange(len(self))) & (~self.hidden | self.absent)

    @cached_property
    def vectors(self) -> np.ndarray:
        """float32 [N, D], what queries are multiplied with."""
        out = self.text_part + self.graph_part + self.id_part
        for part in self.extras.values():
            out = out + part
        return out

    @property
    def content(self) -> np.ndarray:
        """float32 [N, D], vectors without what is an item's own id."""
        return self.vectors - self.id_part

    @property
    def content_of_events(self) -> np.ndarray:
        """float32 [N, D], for what is fitted to events: at the first row of an id the content that
        it has now, at its later rows zeros.
        """
        content = self.content
        if not self.again.any():
            return content
        return content[self.newest] * ~self.again[:, None]

    @cached_property
    def renewed(self) -> np.ndarray:
        """int64 [R], items of the training that were told anew since."""
        return np.flatnonzero(self.newest[: self.trained] != np.arange(self.trained))

    @cached_property
    def again(self) -> np.ndarray:
        """bool [N]: a later row of an id."""
        return self.first != np.arange(len(self))

    @cached_property
    def met(self) -> np.ndarray:
        """float32 [N, D], what a history reads of each item: its vector as it is now."""
        return self.vectors[self.newest] if self.again.any() else self.vectors

    def code(self, key: object) -> int:
        """The number of an id; `UsageError` for a stranger."""
        codes: dict[str, int] = self._codes  # type: ignore[attr-defined]
        code = codes.get(str(key))
        if code is None:
            raise UsageError(
                f"The item {str(key)!r} is not known: there are {self.living.sum()} items in this "
                f"run.{suggest(str(key), list(self.ids[:20000]))}"
            )
        return code

    def find(self, keys: Sequence[str]) -> np.ndarray:
        """int64 [M], the numbers of these ids; -1 for strangers."""
        codes: dict[str, int] = self._codes  # type: ignore[attr-defined]
        return np.array([codes.get(key, -1) for key in keys], np.int64)

    def texts_of(self, catalog: Catalog, codes: np.ndarray) -> tuple[str, ...]:
        """The texts of rows int64 [M], '' of -1; `catalog` is that of the training."""
        return tuple(
            "" if code < 0 else catalog.texts[code] if code < self.trained
            else self.texts.get(code, "")
            for code in codes.tolist()
        )  # fmt: skip

    def title(self, code: int) -> str:
        """What to call the item now."""
        return self.titles[int(self.newest[code])] or self.ids[code]

    def events_in_training(self, model: IntentRecommender) -> np.ndarray:
        """float32 [N], those of each row's id; 0 of what came later."""
        out = np.zeros(len(self), np.float32)
        out[: self.trained] = model.items.counts.numpy(force=True)
        return out[self.first]

    @classmethod
    def of(cls, model: IntentRecommender, catalog: Catalog, text: np.ndarray) -> ItemStore:
        """The items of training, as the model sees them."""
        model.eval()
        with torch.inference_mode():
            parts = model.items()
        n = len(catalog)
        return cls(
            catalog.ids.ids, catalog.titles, parts.text.numpy().copy(),
            parts.graph.numpy().copy(), parts.id.numpy().copy(), text,
            np.zeros(n, bool), n, {}, {name: x.numpy().copy() for name, x in parts.extras.items()},
            catalog.numbers,
        )  # fmt: skip

    def expected(self, model: IntentRecommender) -> np.ndarray:
        """float32 [N, D], the id part of an item without events (see `models.items`)."""
        text, graph, own = map(torch.from_numpy, (self.text_part, self.graph_part, self.id_part))
        extras = {name: torch.from_numpy(self.extras[name]) for name in model.items.extra_names}
        with torch.inference_mode():
            found = model.items.expected(ItemParts(text, graph, own, extras).told)
        return np.asarray(found.numpy())

    def of_training(self) -> ItemStore:
        """The items of the training alone, none of those that were added since."""
        return self.only(np.arange(self.trained))

    def only(self, rows: np.ndarray) -> ItemStore:
        """These rows int64, ascending, all of the training among them."""
        if len(rows) == len(self):
            return self
        number = {code: at for at, code in enumerate(rows.tolist())}
        return ItemStore(
            tuple(self.ids[code] for code in number), tuple(self.titles[code] for code in number),
            self.text_part[rows], self.graph_part[rows], self.id_part[rows], self.text[rows],
            self.hidden[rows], self.trained,
            {number[code]: some for code, some in self.facts.items() if code in number},
            {name: part[rows] for name, part in self.extras.items()},
            {name: numbers[rows] for name, numbers in self.numbers.items()},
            {number[code]: cells for code, cells in self.told.items() if code in number},
            self.absent[rows], self.unknown[rows],
            {number[code]: text for code, text in self.texts.items() if code in number},
        )  # fmt: skip

    def overwritten(self, rows: np.ndarray, by: np.ndarray) -> ItemStore:
        """These rows int64 [R], none of the training, hold what the rows `by` [R] do."""
        at = np.arange(len(self))
        at[rows] = by
        pairs = list(zip(rows.tolist(), by.tolist(), strict=True))
        facts = {**self.facts, **{row: self.facts.get(other, ()) for row, other in pairs}}
        told = {**self.told, **{row: self.told.get(other, {}) for row, other in pairs}}
        texts = {**self.texts, **{row: self.texts.get(other, "") for row, other in pairs}}
        return replace(
            self, titles=tuple(self.titles[row] for row in at.tolist()),
            text_part=self.text_part[at], graph_part=self.graph_part[at], id_part=self.id_part[at],
            text=self.text[at], hidden=self.hidden[at], absent=self.absent[at],
            unknown=self.unknown[at], facts=facts, told=told, texts=texts,
            extras={name: part[at] for name, part in self.extras.items()},
            numbers={name: numbers[at] for name, numbers in self.numbers.items()},
        )  # fmt: skip

    def with_ids(self, part: np.ndarray, met: np.ndarray) -> ItemStore:
        """The same with another `id_part` float32 [N, D]; items that were `met`, bool [N], are not
        unknown any more.
        """
        return replace(self, id_part=part.astype(np.float32), unknown=self.unknown & ~met)

    def shown_again(self, codes: np.ndarray, sold: np.ndarray) -> ItemStore:
        """These rows int64 [R] not removed; out of stock where `sold`, bool [R]."""
        hidden, absent = self.hidden.copy(), self.absent.copy()
        hidden[codes] = absent[codes] = sold
        return replace(self, hidden=hidden, absent=absent)

    def without(self, keys: list[str]) -> ItemStore:
        """These ids hidden, all else as it was."""
        hidden, absent = self.hidden.copy(), self.absent.copy()
        codes = [self.code(key) for key in keys]
        hidden[codes], absent[codes] = True, False
        return replace(self, hidden=hidden, absent=absent)

    def in_stock(self, flags: Mapping[str, bool]) -> ItemStore:
        """These ids in no answer while their flag is False; `UsageError` for one that was removed,
        which only adding it again brings back.
        """
        hidden, absent = self.hidden.copy(), self.absent.copy()
        for key, there in flags.items():
            code = self.code(key)
            if hidden[code] and not absent[code]:
                raise UsageError(f"The item {key!r} was removed: add it again to have it in stock.")
            hidden[code] = absent[code] = not there
        return replace(self, hidden=hidden, absent=absent)

    def added(
        self, model: IntentRecommender, graph: KnowledgeGraph, new: Catalog, text: np.ndarray,
        edges: Mapping[Relation, np.ndarray] | None = None,
        extras: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> ItemStore:  # fmt: skip
        """These items too; text float32 [M, T] are their encoder vectors, `edges` int64 [2, E]
        (new row, node) their facts (None: those that `match_attributes` finds). An id that the
        training met keeps its id part: what was learned of it beside its content.

        Their named vectors are those of the catalogue `new`; by name, `extras` are rows of it and
        parts float32 [R, D] in their place. An item in the place of one that is out of stock is out
        of stock, too.
        """
        if edges is None:
            edges = match_attributes(graph, new)
        relations = [
            messages_to_new(relation, index, len(new), len(graph.vocabs[relation[2]]))
            for relation, index in sorted(edges.items())
        ]
        whitened = torch.from_numpy(model.whitening.apply(text))
        parts = model.items.new_items(whitened, relations, model.features.of_new(new))
        if extras:
            parts = _with_extras(model, parts, extras)
        codes: dict[str, int] = self._codes  # type: ignore[attr-defined]
        hidden, absent = self.hidden.copy(), self.absent.copy()
        old = [codes[key] for key in new.ids.ids if key in codes]
        sold = np.array([key in codes and absent[codes[key]] for key in new.ids.ids], bool)
        hidden[old], absent[old] = True, False
        own, known = parts.id.numpy().copy(), self.find(new.ids.ids)
        learned = np.flatnonzero((known >= 0) & (self.events_in_training(model)[known] > 0))
        own[learned] = self.id_part[known[learned]]
        void = ~(parts.vector.numpy() - parts.id.numpy() + own).any(1)
        facts = dict(self.facts)
        for relation, index in sorted(edges.items()):
            for row, node in index.T.tolist():
                at = len(self) + row
                facts[at] = (*facts.get(at, ()), (relation, node))
        join = np.concatenate
        return ItemStore(
            self.ids + new.ids.ids, self.titles + new.titles,
            join([self.text_part, parts.text.numpy()]),
            join([self.graph_part, parts.graph.numpy()]),
            join([self.id_part, own]), join([self.text, text]),
            join([hidden, sold]), self.trained, facts,
            {name: join([x, parts.extras[name].numpy()]) for name, x in self.extras.items()},
            _joined_numbers(self, new), {**self.told, **_told(new, len(self))},
            join([absent, sold]),
            join([self.unknown, void]),
            {**self.texts, **{len(self) + n: text for n, text in enumerate(new.texts) if text}},
        )  # fmt: skip


def _with_extras(
    model: IntentRecommender, parts: ItemParts, known: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> ItemParts:
    """With these parts float32 [R, D] in these rows, by name, and the ids that go with them."""
    found = {name: part.clone() for name, part in parts.extras.items()}
    for name, (rows, part) in known.items():
        found[name][torch.from_numpy(rows)] = torch.from_numpy(part)
    parts = replace(parts, extras=found)
    with torch.inference_mode():
        return replace(parts, id=model.items.expected(parts.told))


def _joined_numbers(old: ItemStore, new: Catalog) -> dict[str, np.ndarray]:
    """By column: what the old and the new items have, NaN where one has none."""
    out = {}
    for name in {**old.numbers, **new.numbers}:
        before = old.numbers.get(name, np.full(len(old), np.nan))
        out[name] = np.concatenate([before, new.numbers.get(name, np.full(len(new), np.nan))])
    return out


def _told(new: Catalog, start: int) -> dict[int, dict[str, tuple[str, ...]]]:
    """By number of the item, from `start` on: the values of its attributes."""
    out: dict[int, dict[str, tuple[str, ...]]] = {}
    for attribute in new.attributes:
        for row, cell in enumerate(attribute.cells(len(new))):
            if cell:
                out.setdefault(start + row, {})[attribute.name] = tuple(cell)
    return out


def match_attributes(graph: KnowledgeGraph, new: Catalog) -> dict[Relation, np.ndarray]:
    """Edges int64 [2, E] (new row, node) for the attributes whose values the graph knows.

    An attribute belongs to the item relation of its name; a value to the node of that id or, case
    aside, of that name. Values nobody knows give no edge.
    """
    by_name = {r[1]: r for r in graph.fact_relations if r[0] == "item" and r[2] != "item"}
    out: dict[Relation, np.ndarray] = {}
    for attribute in new.attributes:
        relation = by_name.get(attribute.name)
        if relation is None:
            continue
        called = graph.called(relation[2])
        node = np.array([called.get(v.casefold(), -1) for v in attribute.values.ids], np.int64)
        found = node[attribute.value]
        known = found >= 0
        if known.any():
            out[relation] = np.stack([attribute.row[known], found[known]])
    return out


def unmatched(graph: KnowledgeGraph, new: Catalog) -> dict[str, int]:
    """By name of an attribute: how many of its values the graph has no node for, so that no vector
    hears of them (filters do).
    """
    told = {relation[1]: index.shape[1] for relation, index in match_attributes(graph, new).items()}
    counts = {a.name: len(a.row) - told.get(a.name, 0) for a in new.attributes}
    return {name: count for name, count in counts.items() if count}


def messages_to_new(relation: Relation, index: np.ndarray, rows: int, nodes: int) -> Adjacency:
    """Messages from old nodes to new items, under the name the trained gate goes by."""
    ones = np.ones(index.shape[1], np.float32)
    counts = sparse.csr_matrix((ones, (index[0], index[1])), shape=(rows, nodes))
    return mean_adjacency(relation[2], "~" + relation[1], "item", counts)
