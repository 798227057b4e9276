"""Which attributes an entry has, read from a TOML file: attribute → values made of named facts, under conditions.

    mail = ["{login}"]
    eduPersonAffiliation = [{ value = "employee", when = "staff" }, { value = "affiliate", unless = "staff" }]

`when` names conditions that must all hold, `unless` those of which none may. A value with an empty fact is left out.
The vocabulary is closed (docs/provisioning.md); it is not a template language.
"""

import re
import tomllib
from collections.abc import Mapping as Map
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

SUPANN = Path(__file__).with_name("supann.toml")
#: Facts that values may name.
FACTS = frozenset(
    [
        *("uid", "login", "domain", "given_name", "family_name", "full_name", "ascii_sorted_name"),
        *("hr_id", "ine", "phone", "employer", "language", "recovery_address", "end_time", "forward_to", "password"),
    ]
)
#: Conditions: category, state, and what the person or the university decided.
CONDITIONS = frozenset(
    [
        *("staff", "hosted", "student"),
        *("pending", "active", "locked", "to-reactivate", "closed", "erased"),
        *("listed", "mailbox", "forwarded", "copy"),
    ]
)
PASSWORD = "userPassword"  # noqa: S105 - the name of an attribute
#: Written by the connector itself.
RESERVED = ("uid", "objectClass", "supannRefId")
REQUIRED = ("cn", "sn", PASSWORD)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class InvalidMapping(ValueError):
    """The message says which line of the file is wrong, and what is expected."""


@dataclass(frozen=True, slots=True)
class Value:
    template: str
    when: frozenset[str]
    unless: frozenset[str]

    def render(self, facts: Map[str, str], conditions: Set[str]) -> str:
        """Empty when the conditions do not hold or a fact is missing."""
        if not self.when <= conditions or self.unless & conditions:
            return ""
        if any(not facts[name] for name in fields_in(self.template)):
            return ""
        return self.template.format_map(facts)


@dataclass(frozen=True, slots=True)
class Mapping:
    object_classes: tuple[str, ...]
    attributes: dict[str, tuple[Value, ...]]

    def values(self, facts: Map[str, str], conditions: Set[str]) -> dict[str, list[str]]:
        """The values of every mapped attribute, none twice; an empty list for one that the entry must not have."""
        return {
            name: list(dict.fromkeys(filter(None, (value.render(facts, conditions) for value in values))))
            for name, values in self.attributes.items()
        }

    def labels(self, name: str) -> frozenset[str]:
        """Labels of an attribute's values, such as {COMPTE}; empty when one value has none."""
        found = [re.match(r"\{\{(\w+)\}\}", value.template) for value in self.attributes[name]]
        return frozenset(match[1] for match in found if match) if all(found) else frozenset()


def load_mapping(path: Path) -> Mapping:
    """Raises InvalidMapping."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidMapping(f"{path} cannot be read") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidMapping(f"{path}: {error}") from error
    classes, attributes = content.pop("object_classes", []), content.pop("attributes", {})
    if content:
        raise InvalidMapping(f"unknown key {min(content)!r}; object_classes and [attributes] are known")
    if not isinstance(classes, list) or not all(isinstance(one, str) and NAME.fullmatch(one) for one in classes):
        raise InvalidMapping("object_classes is a list of names")
    if not isinstance(attributes, dict):
        raise InvalidMapping("[attributes] is a table")
    parsed = {name: _parse_attribute(name, values) for name, values in attributes.items()}
    if missing := [name for name in REQUIRED if name not in parsed]:
        raise InvalidMapping(f"{missing[0]} has no value")
    return Mapping(tuple(classes), parsed)


def fields_in(template: str) -> list[str]:
    return [field for _text, field, _spec, _conversion in Formatter().parse(template) if field is not None]


def _parse_attribute(name: str, values: Any) -> tuple[Value, ...]:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise InvalidMapping(f"{name!r} cannot be mapped")
    if not isinstance(values, list):
        raise InvalidMapping(f"{name} is a list of values")
    return tuple(_parse_value(name, value) for value in values)


def _parse_value(name: str, value: Any) -> Value:
    table = {"value": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or table.keys() - {"value", "when", "unless"} or "value" not in table:
        raise InvalidMapping(f'{name}: a value is a text or {{ value = "…", when = "…", unless = "…" }}')
    if not all(isinstance(part, str) for part in table.values()):
        raise InvalidMapping(f"{name}: value, when and unless are texts")
    _check_template(name, table["value"])
    return Value(table["value"], _conditions(name, table.get("when", "")), _conditions(name, table.get("unless", "")))


def _conditions(name: str, words: str) -> frozenset[str]:
    named = frozenset(words.split())
    if unknown := named - CONDITIONS:
        raise InvalidMapping(f"{name}: unknown condition {min(unknown)!r}; known: {', '.join(sorted(CONDITIONS))}")
    return named


def _check_template(name: str, template: str) -> None:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InvalidMapping(f"{name}: {template!r}: {error}; write a brace twice") from error
    for _text, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in FACTS or spec or conversion:
            raise InvalidMapping(f"{name}: unknown fact {{{field}}}; known: {', '.join(sorted(FACTS))}")
        if field == "password" and name != PASSWORD:
            raise InvalidMapping(f"{name}: the hash of the password goes into {PASSWORD} only")
