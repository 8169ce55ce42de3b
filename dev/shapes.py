"""Turns example JSON into schemas: names, types, and the values of enumerations; no text is kept."""

from __future__ import annotations

import re
from typing import Any

_ENUM = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_EVENT = re.compile(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT.*")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
#: Fields whose values are codes of standards, far more than examples show.
_OPEN = {"country", "billCurrency", "invoiceCurrency", "paymentCurrency", "baseCurrency", "currency"}
#: An object with fewer names is written out where it stands; others get a name of their own.
_NAMED_FROM = 6


class Shapes:
    """Collects the schemas of many examples; objects with the same names and types are one schema.

    :param enums: further values of enumerations, by group and field
    """

    def __init__(self, enums: dict[str, list[str]]) -> None:
        self._enums = enums
        self._named: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        #: The values that a field was seen to hold, anywhere in its group.
        self._values: dict[str, set[str]] = {}

    def add(self, example: Any, group: str) -> dict[str, Any]:
        """Return the schema of an example.

        :param group: the first word of the names that its objects get
        """
        return self._of(example, group, "")

    def see(self, example: Any, name: str) -> None:
        """Note the enumerated values that a request body holds: its fields are those of the answers."""
        if isinstance(example, list):
            for one in example:
                self.see(one, name)
        elif isinstance(example, dict):
            for key, value in example.items():
                if isinstance(value, str) and _ENUM.fullmatch(value) and key not in _OPEN:
                    self._values.setdefault(f"{name} {key}", set()).add(value)
                self.see(value, f"{name} {key}")

    def schemas(self) -> dict[str, Any]:
        """Return the named schemas."""
        named = {self._names[key]: self.schema(schema) for key, schema in self._named.items()}
        return dict(sorted(named.items()))

    def properties(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of an object's schema."""
        known: dict[str, Any] = (self._named[node["$shape"]] if "$shape" in node else node).get("properties", {})
        return known

    def schema(self, node: Any) -> Any:
        """Return a schema as it is written: sorted, and its enumerations whole."""
        if isinstance(node, dict):
            if "$shape" in node:
                return {"$ref": f"#/schemas/{self._names[node['$shape']]}"}
            return {key: self.schema(value) for key, value in node.items()}
        return sorted(node) if isinstance(node, set) else node

    def _of(self, example: Any, name: str, field: str) -> dict[str, Any]:
        if isinstance(example, list):
            return {"type": "array", "items": _all_merged([self._of(one, name, field) for one in example])}
        if isinstance(example, dict):
            return self._object(example, name)
        if isinstance(example, bool):
            return {"type": "boolean"}
        if isinstance(example, int):
            return {"type": "integer"}
        if isinstance(example, float):
            return {"type": "number"}
        return {"type": "null"} if example is None else self._text(example, name, field)

    def _text(self, example: str, name: str, field: str) -> dict[str, Any]:
        if _TIME.fullmatch(example):
            return {"type": "string", "format": "date-time"}
        if _DATE.fullmatch(example):
            return {"type": "string", "format": "date"}
        if field not in _OPEN and _ENUM.fullmatch(example) and len(example) > 1:
            values = self._values.setdefault(name, set())
            values.update({example, *self._enums.get(name, ())})
            return {"type": "string", "enum": values}
        return {"type": "string"}

    def _object(self, example: dict[str, Any], name: str) -> dict[str, Any]:
        if any(re.fullmatch(r"key_\d+", key) for key in example):
            return {"type": "object", "additionalProperties": {"type": "string"}}
        if not example:
            return {"type": "object"}
        if set(example) <= {"value", "description"} and "not found in the OpenAPI" in str(example.get("value")):
            return {"type": "object"}
        # What only holds a list is no level of its own: a bill is the same alone and in a page.
        holds = "id" not in example and " " not in name
        found = {
            "type": "object",
            "properties": {
                key: self._of(value, name if holds and isinstance(value, list) else f"{name} {key}", key)
                for key, value in example.items()
            },
        }
        if len(example) < _NAMED_FROM:
            return found
        key = _signature(found)
        known = self._named.get(key)
        if known is None:
            self._named[key] = found
            self._names[key] = self._free_name(name)
        else:
            _merge(known, found)
        return {"$shape": key}

    def _free_name(self, name: str) -> str:
        words = re.split(r"[^A-Za-z0-9]+", name)
        wanted = "".join(word[:1].upper() + word[1:] for word in words)
        taken, free, number = set(self._names.values()), wanted, 2
        while free in taken:
            free, number = f"{wanted}{number}", number + 1
        return free


def request_schema(example: Any) -> dict[str, Any]:
    """Return the schema of a request body: names and types; any number may have decimals, and nothing must be there."""
    if isinstance(example, dict):
        return {"type": "object", "properties": {key: request_schema(value) for key, value in example.items()}}
    if isinstance(example, list):
        return {"type": "array", "items": _all_merged([request_schema(value) for value in example])}
    if isinstance(example, bool):
        return {"type": "boolean"}
    if isinstance(example, int | float):
        return {"type": "number"}
    return {} if example is None else {"type": "string"}


def template(example: Any) -> Any:
    """Return a request body in which every text is a placeholder: what it must be, not what it was."""
    if isinstance(example, dict):
        return {key: template(value) for key, value in example.items()}
    if isinstance(example, list):
        return [template(value) for value in example]
    if not isinstance(example, str):
        return example
    return _word(example)


def _word(text: str) -> str:
    if re.fullmatch(r"[\w.]+:(eq|ne|gt|gte|lt|lte|in|nin|sw):.*", text, re.S):
        field, operator, value = text.split(":", 2)
        return f"{field}:{operator}:{_word(value.strip(chr(34)))}"
    if found := _PLACEHOLDER.search(text):
        return f"{{{found[1]}}}"
    if _TIME.fullmatch(text):
        return "{time}"
    if _DATE.fullmatch(text):
        return "{date}"
    if "@" in text:
        return "{email}"
    if text.startswith("http"):
        return "{url}"
    if _ENUM.fullmatch(text) or _EVENT.fullmatch(text) or re.fullmatch(r"true|false|\d+|\w+:(asc|desc)", text):
        return text
    return "{text}" if text else ""


def _signature(node: Any) -> str:
    """Return a text that is the same for schemas that differ in their enumerations only."""
    if "$shape" in node:
        return str(node["$shape"])
    if node.get("type") == "object":
        inner = ",".join(f"{key}:{_signature(value)}" for key, value in sorted(node.get("properties", {}).items()))
        return f"{{{inner}}}"
    if node.get("type") == "array":
        return f"[{_signature(node['items'])}]"
    return str(node.get("format") or node.get("type"))


def _all_merged(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    first: dict[str, Any] = {}
    for schema in schemas:
        if first:
            _merge(first, schema)
        else:
            first = schema
    return first


def _merge(known: dict[str, Any], new: dict[str, Any]) -> None:
    """Add the enumerated values of a schema to one of the same signature."""
    if "enum" in known and "enum" in new:
        known["enum"].update(new["enum"])
    elif "enum" in new and known.get("type") == "string" and "format" not in known:
        known["enum"] = new["enum"]
    for key, schema in new.get("properties", {}).items():
        if key in known.get("properties", {}):
            _merge(known["properties"][key], schema)
        else:
            known.setdefault("properties", {})[key] = schema
    if "items" in new:
        _merge(known.setdefault("items", {}), new["items"])
