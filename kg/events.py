"""The event log: who did what with which item, and when.

Every later part (splits, graph, samples, texts) starts from an `EventLog`, sorted by user, then
time, then the order of the file: a stable sort, so events of one second keep their written order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from kg import given
from kg.alike import ByValue
from kg.broken import Broken
from kg.errors import DataError
from kg.ids import Vocab
from kg.schema import BEHAVIOURS, Behaviour, behaviour_named, says_no
from kg.tables import (
    UNREADABLE,
    Table,
    bad_byte,
    column_names,
    existing_file,
    numbers,
    open_bytes,
    pick_columns,
    read_cells,
    table_name,
)
from kg.times import to_seconds


def _ids_of(*words: str) -> tuple[str, ...]:
    """商品id, 商品编号, …, 商品: what a column of ids of these things is called in Chinese."""
    return tuple(w + end for end in ("id", "编号", "编码", "編號", "編碼", "") for w in words)


CHINESE_USERS = _ids_of("用户", "用戶", "使用者", "会员", "會員", "顾客", "顧客", "客户", "客戶")
CHINESE_ITEMS = (*_ids_of("商品", "物品", "产品", "產品"), "货号", "貨號")
EVENT_COLUMNS: dict[str, tuple[str, ...]] = {
    "user": ("user", "user_id", "userid", "visitor_id", "visitorid", "customer_id", "uid",
             "session_id", "household_id", *CHINESE_USERS),
    "item": ("item", "item_id", "itemid", "product_id", "productid", "movie_id", "movieid",
             "sku", "asin", "article_id", "iid", *CHINESE_ITEMS),
    "behaviour": ("behaviour", "behavior", "event", "event_type", "action", "type", "行为",
                  "行为类型", "用户行为", "事件类型", "行為", "行為類型", "用戶行為", "事件類型"),
    "time": ("time", "timestamp", "datetime", "date", "ts", "at", "时间", "时间戳", "行为时间",
             "操作时间", "事件时间", "发生时间", "访问时间", "下单时间", "购买时间", "交易时间",
             "日期", "時間", "時間戳", "行為時間", "操作時間", "事件時間", "發生時間",
             "訪問時間", "下單時間", "購買時間", "交易時間"),
    "value": ("value", "rating", "quantity", "score", "weight", "评分", "打分", "分数", "数量",
              "购买数量", "評分", "分數", "數量", "購買數量"),
    "query": ("query", "search_query", "search", "text", "搜索词", "搜索关键词", "搜索内容",
              "搜尋詞", "搜尋關鍵字"),
}  # fmt: skip
RATED = frozenset({"rating", "评分", "打分", "評分"})
"""Columns of values that say how somebody rated an item."""


@dataclass(frozen=True, eq=False)
class EventLog(ByValue):
    """E events, sorted by user, then time (if known), then order of arrival.

    user, item, behaviour are int64 [E]; item is -1 for a search without an item. `time` is int64
    [E] UTC seconds or None when only the order is known. `value` is float32 [E] (NaN: none).
    `query` holds the search text per event, or is None. `row` is the row of the file, from 1.
    Where not `ordered` a history is a bag: the order in which its events stand means nothing.
    """

    users: Vocab
    items: Vocab
    behaviours: tuple[Behaviour, ...]
    user: np.ndarray
    item: np.ndarray
    behaviour: np.ndarray
    time: np.ndarray | None = None
    value: np.ndarray | None = None
    query: tuple[str, ...] | None = None
    row: np.ndarray | None = None
    ordered: bool = True

    def __post_init__(self) -> None:
        if self.time is not None and not self.ordered:
            raise DataError("The events of an EventLog with times are ordered: leave one out.")
        for name in ("item", "behaviour", "time", "value", "query", "row"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.user):
                raise DataError(
                    f"EventLog.{name} must have one entry per event ({len(self.user)}). "
                    f"Got {len(column)} instead."
                )
        limits = (("user", 0, len(self.users)), ("item", -1, len(self.items)),
                  ("behaviour", 0, len(self.behaviours)))  # fmt: skip
        for name, low, high in limits:
            column = getattr(self, name)
            if column.size and (column.min() < low or column.max() >= high):
                raise DataError(f"EventLog.{name} must lie in [{low}, {high}).")
        step = np.diff(self.user)
        if (step < 0).any():
            raise DataError("The events of an EventLog must be sorted by user: use EventLog.of.")
        if self.time is not None and ((np.diff(self.time) < 0) & (step == 0)).any():
            raise DataError("A user's events must be sorted by time: use EventLog.of.")

    def __len__(self) -> int:
        return len(self.user)

    @property
    def has_item(self) -> np.ndarray:
        """bool [E]: False for a search event that names no item."""
        return self.item >= 0

    @property
    def weight(self) -> np.ndarray:
        """float32 [E], the weight of each event's behaviour."""
        return np.array([b.weight for b in self.behaviours], np.float32)[self.behaviour]

    def take(self, keep: np.ndarray) -> EventLog:
        """The events at these positions (bool mask [E] or int64, ascending), same vocabularies:
        who has no event left is still among the `users`, also where the log is stored. `clean`
        leaves such ids out, `kg.forgetting.log_without` those of given people.
        """
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        query = self.query
        return replace(
            self,
            user=self.user[index], item=self.item[index], behaviour=self.behaviour[index],
            time=None if self.time is None else self.time[index],
            value=None if self.value is None else self.value[index],
            query=None if query is None else tuple(query[i] for i in index.tolist()),
            row=None if self.row is None else self.row[index],
        )  # fmt: skip

    def joined(self, more: EventLog) -> EventLog:
        """With the events of another log over the same items. People and behaviours that are new
        get the next numbers, all others keep theirs; events of one time, or without times, stand
        after the old ones. Raises `DataError` if one log has times, or an order, and the other not.
        """
        if more.items != self.items:
            raise DataError("Logs are joined over the same items: call clean(log, items) first.")
        if (self.time is None) != (more.time is None) or self.ordered != more.ordered:
            has = "times" if self.time is not None else ("an order" if self.ordered else "no order")
            raise DataError(f"The new events must be like the old ones, which have {has}.")
        strangers = [key for key in more.users.ids if key not in self.users]
        users = self.users.extended(strangers)
        kinds = self.behaviours + tuple(b for b in more.behaviours if b not in self.behaviours)
        code = np.array([kinds.index(kind) for kind in more.behaviours], np.int64)
        user = np.concatenate([self.user, users.encode(more.users.ids)[more.user]])
        time = None if self.time is None else np.concatenate([self.time, more.time])
        order = np.lexsort((user,) if time is None else (time, user))

        def both(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.concatenate([old, new])[order]

        value = [_or_nan(log) for log in (self, more)]
        query = [log.query or ("",) * len(log) for log in (self, more)]
        return EventLog(
            users, self.items, kinds, user[order], both(self.item, more.item),
            both(self.behaviour, code[more.behaviour]), None if time is None else time[order],
            both(*value) if self.value is not None or more.value is not None else None,
            tuple((query[0] + query[1])[i] for i in order.tolist())
            if self.query is not None or more.query is not None else None,
            None, self.ordered,
        )  # fmt: skip

    def item_counts(self) -> np.ndarray:
        """int64 [N_item]: events per item."""
        return np.bincount(self.item[self.has_item], minlength=len(self.items)).astype(np.int64)

    def user_counts(self) -> np.ndarray:
        """int64 [N_user]: events per user."""
        return np.bincount(self.user, minlength=len(self.users)).astype(np.int64)

    @classmethod
    def of(
        cls,
        user: Iterable[object],
        item: Iterable[object],
        *,
        behaviour: Iterable[object] | str = "view",
        time: Iterable[object] | None = None,
        value: Iterable[object] | None = None,
        query: Iterable[object] | None = None,
        own: tuple[Behaviour, ...] = (),
        row: np.ndarray | None = None,
        ordered: bool = True,
    ) -> EventLog:
        """A log from columns of external ids (`kg.given`): lists, arrays or Series, by position. An
        empty or missing item is -1.

        `time` holds UTC seconds, datetimes or ISO 8601 text. With `ordered=False` the events of a
        user are put in an order that is drawn, always the same, so that none of the file's can be
        taken for one (a file is often sorted by item). Raises `DataError` if a column has another
        length than `user`, and naming the place of a user, a behaviour or a time that is missing.
        """
        told = "The '{}' parameter of EventLog.of".format
        who, what = given.ids(user, told("user")), given.texts(item, told("item"))
        did = [behaviour] * len(what) if isinstance(behaviour, str) else (
            given.ids(behaviour, told("behaviour")))  # fmt: skip
        said = None if query is None else given.texts(query, told("query"))
        stamps = None if time is None else given.seconds(time, told("time"))
        amounts = None if value is None else given.numbers(value, told("value"))
        rows = np.arange(1, len(who) + 1) if row is None else np.asarray(row)
        columns: dict[str, Sized | None] = {
            "item": what, "behaviour": did, "time": stamps, "value": amounts, "query": said,
            "row": rows,
        }  # fmt: skip
        for name, column in columns.items():
            if column is not None and len(column) != len(who):
                raise DataError(
                    f"{told(name)} must have one entry per event ({len(who)}). "
                    f"Got {len(column)} instead."
                )
        users = Vocab.of(who, "user")
        items = Vocab.of((key for key in what if key), "item")
        kinds = {name: behaviour_named(name, own) for name in sorted(set(did))}
        behaviours = tuple(sorted(set(kinds.values()), key=lambda kind: kind.name))
        code = {name: behaviours.index(kind) for name, kind in kinds.items()}
        user_code = users.encode(who)
        within = stamps if ordered else np.random.default_rng(0).random(len(who))
        by = (user_code,) if within is None else (within, user_code)
        order = np.lexsort(by)  # lexsort is stable: ties keep the order of the file
        return cls(
            users, items, behaviours,
            user_code[order],
            items.encode((key or "" for key in what), missing="negative")[order],
            np.array([code[name] for name in did], np.int64)[order],
            None if stamps is None else stamps[order],
            None if amounts is None else amounts.astype(np.float32)[order],
            None if said is None else tuple(said[i] or "" for i in order.tolist()),
            rows[order],
            ordered,
        )  # fmt: skip

    @classmethod
    def read(
        cls,
        path: Table,
        *,
        columns: Mapping[str, str] | None = None,
        use_time: bool = True,
        own: tuple[Behaviour, ...] = (),
        ordered: bool = True,
    ) -> EventLog:
        """Events from CSV, TSV, Parquet (gzipped or not), one user a line ('user item item …'), or
        a frame of polars or pandas.

        `columns` maps a role (user, item, behaviour, time, value, query) to a column name; what it
        leaves out is guessed from the usual spellings, and roles of other files are passed over.
        `use_time=False` keeps the order of rows; with `ordered=False` not even that counts, and
        the events of each user are a bag. Without a behaviour column, a row with a value in a
        column called 'rating' (or 评分: `RATED`) is a rating, and any other row a view; a `NotRead`
        warning names a column that reads like one.
        """
        file = read_events(path, columns=columns, use_time=use_time, own=own, ordered=ordered)
        if file.like_behaviour:
            name = file.like_behaviour
            warnings.warn(
                f"Column {name!r} of the events is not read, though it may say what people did: "
                f"name it (columns={{'behaviour': {name!r}}}, or --columns behaviour={name}), else "
                "all events count as views or ratings.",
                NotRead, stacklevel=2,
            )  # fmt: skip
        return file.log

    def to_frame(self) -> pl.DataFrame:
        """The events with external ids, in the order of the log."""
        item = ["" if code < 0 else self.items.ids[code] for code in self.item.tolist()]
        data: dict[str, object] = {
            "user": pl.Series(self.users.decode(self.user), dtype=pl.String),
            "item": pl.Series(item, dtype=pl.String),
            "behaviour": pl.Series(
                [self.behaviours[code].name for code in self.behaviour.tolist()], dtype=pl.String
            ),
        }
        if self.time is not None:
            data["time"] = self.time
        if self.value is not None:
            data["value"] = self.value
        if self.query is not None:
            data["query"] = pl.Series(list(self.query), dtype=pl.String)
        return pl.DataFrame(data)


@dataclass(frozen=True, eq=False)
class EventFile(ByValue):
    """A file of events as it was read: the log, which column plays which role ({role: column}),
    the columns that play none (with the type of one that is no text), the cells of time as they
    stand there, by row (None: no times), and which of the columns that play none may well be the
    behaviour, where there is no other ('': none).
    """

    log: EventLog
    roles: Mapping[str, str]
    unused: tuple[str, ...] = ()
    times: pl.Series | None = None
    like_behaviour: str = ""


def read_events(
    path: Table,
    *,
    columns: Mapping[str, str] | None = None,
    use_time: bool = True,
    own: tuple[Behaviour, ...] = (),
    ordered: bool = True,
    broken: Broken | None = None,
) -> EventFile:
    """As `EventLog.read`, with what was made of the file. Lines that have another number of cells
    go to `broken`, if given.
    """
    if isinstance(path, str | Path) and _is_sequences(Path(path)):
        return EventFile(read_sequences(path, own=own, ordered=ordered), {})
    mapping = {role: name for role, name in (columns or {}).items() if role in EVENT_COLUMNS}
    frame, odd = read_cells(path, mapping.values(), broken)
    where = table_name(path)
    roles = pick_columns(frame, EVENT_COLUMNS, mapping, needed=("user", "item"), where=where)
    if not (use_time and ordered):
        roles.pop("time", None)
    text = {role: frame[name].str.strip_chars() for role, name in roles.items()}
    users = text["user"].fill_null("")
    if (users == "").all():
        raise DataError(f"{where}: column {roles['user']!r} must not be empty in every row.")
    value = numbers(text["value"], where) if "value" in text else None
    if value is not None and np.isnan(value).all():
        value = None
    behaviour: str | list[str]
    if "behaviour" in text:
        behaviour = text["behaviour"].replace("", None).fill_null("view").to_list()
    else:
        rated = value is not None and roles["value"].strip().lower() in RATED
        behaviour = _rated_or_viewed(value) if value is not None and rated else "view"
    log = EventLog.of(
        users.replace("", NOBODY).to_list(),  # such a row belongs to no one: clean counts it
        text["item"].fill_null("").to_list(),
        behaviour=behaviour,
        time=to_seconds(text["time"], where) if "time" in text else None,
        value=value,
        query=text["query"].fill_null("").to_list() if "query" in text else None,
        own=own,
        ordered=ordered,
    )
    unused = (
        *(name for name in frame.columns if name not in roles.values()),
        *(f"{name} ({kind.partition('(')[0]})" for name, kind in odd.items()),
    )
    like = "" if "behaviour" in roles else _like_behaviour(frame.drop(roles.values()))
    return EventFile(log, roles, unused, text.get("time"), like)


CALLED_BEHAVIOUR = frozenset({
    "how", "did", "verb", "activity", "activity_type", "interaction", "interaction_type",
    "action_type", "event_name", "behaviour_type", "behavior_type", "operation", "动作", "操作",
    "动作类型", "操作类型", "事件", "動作", "動作類型", "操作類型",
})  # fmt: skip
"""Columns that are called so may be the behaviour; it is not taken for granted."""
MOST_BEHAVIOURS = 50
"""A column with more different cells is none."""


class NotRead(UserWarning):
    """A column was passed over that may have been meant to be read."""


def _like_behaviour(frame: pl.DataFrame) -> str:
    """The first column whose cells are mostly names of behaviours, or that is called like one."""
    for column in frame:
        cells = column.str.strip_chars().replace("", None).drop_nulls().unique()
        if not 0 < len(cells) <= MOST_BEHAVIOURS:
            continue
        kinds = [behaviour_named(cell) for cell in cells]
        known = sum(kind in BEHAVIOURS or says_no(kind) for kind in kinds)
        if 2 * known >= len(kinds) or column.name.strip().lower() in CALLED_BEHAVIOUR:
            return column.name
    return ""


def _or_nan(log: EventLog) -> np.ndarray:
    return np.full(len(log), np.nan, np.float32) if log.value is None else log.value


NOBODY = "\x00nobody"
"""Stands for an empty user id until `kg.clean` keeps the row aside."""


def _rated_or_viewed(value: np.ndarray) -> list[str]:
    return np.where(np.isnan(value), "view", "rating").tolist()


def _is_sequences(path: Path) -> bool:
    """A .txt file, unless its first line names a column of users and one of items."""
    if not path.name.lower().endswith((".txt", ".txt.gz")):
        return False
    names = {name.lower() for name in column_names(path)}
    return not all(names.intersection(EVENT_COLUMNS[role]) for role in ("user", "item"))


def read_sequences(
    path: str | Path, *, own: tuple[Behaviour, ...] = (), ordered: bool = True
) -> EventLog:
    """One user a line, no header: 'user item item …', oldest first (the format of S3-Rec).

    Blank lines are passed over. Raises `DataError` naming the line of a user without an item or
    of a byte that is not UTF-8.
    """
    file = existing_file(path)
    users: list[str] = []
    items: list[str] = []
    number = 0
    try:
        with open_bytes(file) as handle:
            for number, line in enumerate(handle, 1):
                user, *rest = line.decode("utf-8-sig" if number == 1 else "utf-8").split() or [""]
                if user and not rest:
                    raise DataError(f"{file}, line {number}: user {user!r} has no item.")
                users += [user] * len(rest)
                items += rest
    except UnicodeDecodeError as error:
        raise bad_byte(file, number, error.object[error.start]) from None
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    if not users:
        raise DataError(f"{file} is empty: at least one line 'user item …' is needed.")
    return EventLog.of(users, items, own=own, ordered=ordered)
