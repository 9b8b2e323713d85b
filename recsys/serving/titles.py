"""What items are called in verbalised histories, those added since training too."""

from __future__ import annotations

from kg.catalog import Catalog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from recsys.intent.signals import with_categories
from recsys.serving.items import ItemStore


def told_titles(catalog: Catalog, items: ItemStore, graph: KnowledgeGraph) -> Catalog:
    """Titles with categories by code, of trained items and then of added ones, as they are now."""
    trained = with_categories(catalog)
    codes = range(len(catalog), len(items))
    if len(codes) == 0:
        return trained
    cells: dict[str, list[list[str]]] = {}
    for row, code in enumerate(codes):
        for relation, node in items.facts.get(code, ()):
            column = cells.setdefault(relation[1], [[] for _ in codes])
            column[row].append(graph.name(relation[2], node))
    keys = [f"{code:012d}" for code in codes]
    added = Catalog.of(keys, [items.title(code) for code in codes], attributes=cells)
    ids = catalog.ids.extended(items.ids[len(catalog) :])
    titles = trained.titles + with_categories(added).titles
    return _Titles(trained, tuple(titles[code] for code in items.newest.tolist()), ids)


class _Titles(Catalog):
    """A catalogue read by code only: trained items, then added ones."""

    def __init__(self, base: Catalog, titles: tuple[str, ...], ids: Vocab) -> None:
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "titles", titles)
        object.__setattr__(self, "texts", base.texts)
        object.__setattr__(self, "attributes", ())
        object.__setattr__(self, "ignored", ())

    def __len__(self) -> int:
        return len(self.titles)
