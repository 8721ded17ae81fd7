"""What a database takes, and how it gives it back."""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import pickle
import uuid
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from nexus_testing.errors import DataError
from nexus_testing.nexus.values import Document, copied, key_filter, loaded, stored


class Colour(enum.Enum):
    """Some enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """An enumeration of numbers."""

    LOW = 1


class Name(str):
    """A string in all but name."""

    __slots__ = ()


class Model(BaseModel):
    """Some model."""

    name: str = "x"


@dataclasses.dataclass
class Item:
    """Some dataclass."""

    name: str = "x"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - it is about such tuples

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_data_comes_back_equal(value: object) -> None:
    """Plain data of any shape is the same after it was stored and loaded."""
    assert loaded(stored(value, "key")) == value


def test_nothing_that_is_stored_is_aliased() -> None:
    """A change of the value given, or of the value got, changes nothing that is stored."""
    given_value: dict[str, Any] = {"tags": ["a"], "address": {"city": "Bonn"}}
    kept = stored(given_value, "key")
    given_value["tags"].append("b")
    got = loaded(kept)
    got.address.city = "Ulm"
    got["tags"].append("c")

    assert kept == {"tags": ["a"], "address": {"city": "Bonn"}}


def naive(*parts: int) -> datetime:
    """Return a moment without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc, arg-type]  # one after the other


def test_a_moment_is_kept_in_utc_without_zone_in_milliseconds() -> None:
    """A datetime is kept as MongoDB keeps it."""
    moment = datetime(2030, 1, 1, 12, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))

    assert naive(2030, 1, 1, 10, 0, 0, 123_000) == stored(moment, "key")
    assert naive(2030, 1, 1, 12, 0, 0, 1000) == stored(naive(2030, 1, 1, 12, 0, 0, 1999), "key")


def test_an_object_id_passes() -> None:
    """An ObjectId is kept as it is."""
    own = ObjectId()

    assert {"_id": own} == stored({"_id": own}, "key")


def test_children_of_plain_classes_become_plain() -> None:
    """What is a str, an int, a dict or a list in all but name is kept as the plain thing."""
    kept = stored({Name("a"): Name("b"), "d": OrderedDict(x=1), "e": Document(y=[Name("z")])}, "key")

    assert kept == {"a": "b", "d": {"x": 1}, "e": {"y": ["z"]}}
    assert [str, str] == [type(part) for part in (next(iter(kept)), kept["a"])]
    assert [dict, dict] == [type(part) for part in (kept["d"], kept["e"])]


@pytest.mark.parametrize(
    ("value", "kind", "fix"),
    [
        ({1, 2}, "set", "list(value)"),
        (frozenset({1}), "frozenset", "list(value)"),
        ((1, 2), "tuple", "list(value)"),
        (Point(1, 2), "Point", "list(value)"),
        (Decimal("1.10"), "decimal.Decimal", "str(value)"),
        (uuid.UUID(int=7), "uuid.UUID", "str(value)"),
        (PurePosixPath("a"), "PurePosixPath", "str(value)"),
        (Colour.RED, "Colour", "value.value"),
        (Level.LOW, "Level", "value.value"),
        (date(2030, 1, 1), "datetime.date", "isoformat()"),
        (time(1, 2), "datetime.time", "isoformat()"),
        (timedelta(1), "datetime.timedelta", "total_seconds()"),
        (bytearray(b"a"), "bytearray", "bytes(value)"),
        (Model(), "Model", "model_dump()"),
        (Item(), "Item", "dataclasses.asdict(value)"),
        (object(), "object", "a dict"),
        (2**63, "int", "str(value)"),
        (-(2**63) - 1, "int", "str(value)"),
    ],
)
def test_what_bson_does_not_know_is_refused_with_a_fix(value: object, kind: str, fix: str) -> None:
    """A value that MongoDB would not take is refused; the error says key, path, type and what to write."""
    with pytest.raises(DataError) as caught:
        stored({"items": [{"price": 1}, {"price": value}]}, "order", plugin="shop")

    error = caught.value
    assert "'order'" in error.what
    assert "value['items'][1]['price']" in error.what
    assert kind in error.what
    assert fix in error.fix
    assert error.plugin == "shop"
    assert __file__ in str(error.where)


@pytest.mark.parametrize("key", [1, None, (1, 2), Colour.RED])
def test_a_key_of_a_dict_must_be_a_string(key: object) -> None:
    """A dict with a key that is no string is refused, and the key is named."""
    with pytest.raises(DataError, match="cannot hold") as caught:
        stored({"totals": {key: 1}}, "order")

    assert repr(key) in caught.value.why
    assert "value['totals']" in caught.value.what
    assert "str(key)" in caught.value.fix


def test_a_value_that_refers_to_itself_is_refused() -> None:
    """A value without an end is refused instead of running out of stack."""
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(DataError, match="cannot hold") as caught:
        stored(endless, "key")

    assert "refers to itself" in caught.value.why


def test_a_hundred_levels_are_taken() -> None:
    """A value as deep as MongoDB takes it passes."""
    value: dict[str, object] = {}
    for _ in range(100):
        value = {"next": value}

    assert stored(value, "key") == value


def test_loose_values_are_copied_as_they_are() -> None:
    """Where strict is off, what can be copied is kept."""
    value: dict[Any, Any] = {"total": Decimal("1.10"), 1: {2, 3}}
    kept = stored(value, "key", strict=False)
    value[1].add(4)

    assert {"total": Decimal("1.10"), 1: {2, 3}} == kept


def test_a_loose_value_that_cannot_be_copied_is_refused() -> None:
    """Where strict is off, what cannot be copied is refused all the same."""
    with pytest.raises(DataError, match="cannot be copied"):
        stored((one for one in "ab"), "key", strict=False)


def test_copied_copies_other_objects_deeply() -> None:
    """A copy shares nothing with what it was made of."""
    value = {"item": Item(), "list": [[1]]}
    copy_of = copied(value)
    copy_of["item"].name = "y"
    copy_of["list"][0].append(2)

    assert {"item": Item("x"), "list": [[1]]} == value


# -- documents ---------------------------------------------------------------------------------------------------


def test_the_fields_of_a_document_are_attributes() -> None:
    """Fields can be read, written and deleted as attributes, nested ones too."""
    document = loaded({"balance": 10, "owner": {"name": "Ann"}, "log": [{"amount": 1}]})
    document.balance -= 3
    document.note = {"text": "hi"}
    document.note.text += "!"
    del document.owner.name

    assert document == {"balance": 7, "owner": {}, "log": [{"amount": 1}], "note": {"text": "hi!"}}
    assert document.log[0].amount == 1


def test_a_missing_field_names_those_that_there_are() -> None:
    """An AttributeError lists the fields and guesses the slip."""
    document = Document(balance=1, owner="Ann")

    with pytest.raises(AttributeError, match=r"only \['balance', 'owner'\]. Did you mean 'balance'\?"):
        document.balanse  # noqa: B018 - it is read to see the error
    with pytest.raises(AttributeError, match="no field 'balanse'"):
        del document.balanse
    assert not hasattr(document, "other")


def test_a_field_called_like_a_method_is_not_hidden_silently() -> None:
    """Writing an attribute that could not be read back is refused."""
    document = Document()

    with pytest.raises(AttributeError, match=r"document\['items'\]"):
        document.items = [1]  # type: ignore[method-assign, assignment]


def test_a_document_is_a_dict_to_everybody_else() -> None:
    """JSON, copy and pickle take a document for the dict that it is."""
    document = loaded({"a": {"b": [1]}})

    assert json.loads(json.dumps(document)) == document
    assert copy.deepcopy(document) == document
    assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 - it is our own
    assert copy.deepcopy(document).a.b == [1]
    assert "a" in dir(document)


# -- patterns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("*", ["user:1", "User:1", "user:12", "a.b", "a[b]", "a\nb"]),
        ("user:*", ["user:1", "user:12"]),
        ("user:?", ["user:1"]),
        ("a.b", ["a.b"]),
        ("a[b]", ["a[b]"]),
        ("a*b", ["a.b", "a\nb"]),
        ("", []),
    ],
)
def test_only_star_and_question_mark_are_special(pattern: str, fitting: list[str]) -> None:
    """A pattern means what it says on every database, upper case included."""
    keys = ["user:1", "User:1", "user:12", "a.b", "a[b]", "a\nb"]

    assert fitting == [key for key in keys if key_filter(pattern)(key)]


def test_a_pattern_must_be_a_string() -> None:
    """A pattern of another type is refused."""
    with pytest.raises(DataError, match="no pattern"):
        key_filter(7)  # type: ignore[arg-type]
