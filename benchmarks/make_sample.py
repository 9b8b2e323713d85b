"""Makes the sample that ships with the package (kg/datasets/movielens_small) from the full set.

    python benchmarks/make_sample.py --data FOLDER

FOLDER holds interactions.csv.gz, items.csv.gz, triples.csv.gz, entities.csv.gz and
LICENSE-movielens.txt: GroupLens ml-latest-small joined with facts of WikiMovies and DBpedia.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import polars as pl

from kg.tables import read_table

LEFT_OUT = ("has_tag", "has_genre", "release_year")
"""Tags may have been given after the events that are tested on; the others are item columns."""
TARGET = Path(__file__).parents[1] / "kg" / "datasets" / "movielens_small"


def main() -> None:
    """Reads FOLDER and writes four Parquet files and the licence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the full data set")
    parser.add_argument("--out", type=Path, default=TARGET, help="where to write the sample")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, frame in sample(options.data).items():
        frame.write_parquet(
            options.out / f"{name}.parquet", compression="zstd", compression_level=19,
            statistics=False,
        )  # fmt: skip
    shutil.copyfile(options.data / "LICENSE-movielens.txt", options.out / "LICENSE-movielens.txt")
    (options.out / "LICENSE-movielens.txt").chmod(0o644)
    for file in sorted(options.out.iterdir()):
        print(f"{file.stat().st_size:>9,} {file.name}")


def sample(data: Path) -> dict[str, pl.DataFrame]:
    """The four tables by name: events, items, triples, entities."""
    events = read_table(data / "interactions.csv.gz").select(
        pl.col("user_id").cast(pl.Int32), pl.col("item_id").cast(pl.Int32),
        pl.col("rating").cast(pl.Float32), pl.col("timestamp").cast(pl.Int64),
    )  # fmt: skip
    items = read_table(data / "items.csv.gz").select(
        pl.col("item_id").cast(pl.Int32), "title", "genres", pl.col("year").cast(pl.Int32)
    )
    triples = read_table(data / "triples.csv.gz").filter(~pl.col("relation").is_in(LEFT_OUT))
    triples = triples.select(
        pl.col("head").cast(pl.Int32), "relation", pl.col("tail").cast(pl.Int32), "source"
    )
    entities = read_table(data / "entities.csv.gz").with_columns(
        pl.col("entity_id", "item_id").cast(pl.Int32)
    )
    used = pl.concat([triples["head"], triples["tail"]]).unique().to_list()
    entities = entities.filter(pl.col("item_id").is_not_null() | pl.col("entity_id").is_in(used))
    # the name of a film is the title of its item already
    name = pl.when(pl.col("item_id").is_null()).then(pl.col("name"))
    return {
        "events": events.sort("user_id", "timestamp", maintain_order=True),
        "items": items,
        "triples": triples.sort("relation", "head", "tail"),
        "entities": entities.with_columns(name).sort("entity_id"),
    }


if __name__ == "__main__":
    main()
