"""One order of keys for everything that writes or shows an object: shots, targets, the schema in the prompt,
the grammar.

A model that is held to a grammar writes keys in the order of the schema's `properties`; a model that learns
from targets writes them as the targets do. Both use the order of train's targets if these share one, else the
schema's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 32
"""Levels of a value that are put in order; deeper parts are left unchanged."""
_BRANCHES = ("anyOf", "oneOf", "allOf")


def ordered_schema(schema: Schema, targets: Iterable[object]) -> Schema:
    """The schema with every `properties` in the order that the targets share; unchanged if they share
    none."""
    sequences: dict[int, set[tuple[str, ...]]] = {}
    declared: dict[int, list[str]] = {}
    for target in targets:
        for part, node in _objects(_Root(schema), schema, target, 0):
            names = tuple(name for name in part if name in node["properties"])
            sequences.setdefault(id(node["properties"]), set()).add(names)
            declared[id(node["properties"])] = list(node["properties"])
    orders = {key: _shared(orders, declared[key]) for key, orders in sequences.items()}
    rebuilt: Schema = _rebuilt(schema, {key: order for key, order in orders.items() if order})
    return rebuilt


def ordered_value(schema: Schema, value: object) -> Any:
    """The value with its keys in the schema's order; keys that the schema does not name follow in their own order.

    A whole number that was read as a decimal (2.0) becomes an integer if the schema asks for one or names it:
    the grammar knows one spelling.
    """
    return _ordered(_Root(schema), schema, value, 0)


class _Root:
    """Resolves the references within one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def resolved(self, schema: object) -> Any:
        for _ in range(MAX_DEPTH):
            if not (isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str)):
                break
            target = self._pointed(schema["$ref"])
            if target is None:
                break
            schema = target
        return schema

    def _pointed(self, reference: str) -> Any:
        if not reference.startswith("#"):
            return None
        part: Any = self.schema
        for step in reference[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, Mapping) and step in part:
                part = part[step]
            elif isinstance(part, list | tuple) and step.isdigit() and int(step) < len(part):
                part = part[int(step)]
            else:
                return None
        return part

    def forms(self, schema: object, value: object, depth: int) -> Iterator[Schema]:
        """The schemas that a value falls under: the schema itself and its fitting branches, outermost first."""
        schema = self.resolved(schema)
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return
        yield schema
        for key in _BRANCHES:
            branches = schema.get(key, ())
            fitting = branches if key == "allOf" else self._best(branches, value)
            for branch in fitting:
                yield from self.forms(branch, value, depth + 1)

    def _best(self, branches: Sequence[object], value: object) -> list[Any]:
        """The alternative that names most of an object's keys and contradicts none of its constants."""
        if not isinstance(value, Mapping):
            return [branch for branch in branches if not self._names(branch)]
        fitting = [branch for branch in branches if not self._contradicts(branch, value)]
        return sorted(fitting, key=lambda branch: -len(self._names(branch) & value.keys()))[:1]

    def _names(self, branch: object) -> set[str]:
        resolved = self.resolved(branch)
        return set(resolved.get("properties", ())) if isinstance(resolved, Mapping) else set()

    def _contradicts(self, branch: object, value: Mapping[str, object]) -> bool:
        resolved = self.resolved(branch)
        if not isinstance(resolved, Mapping) or resolved.get("type", "object") not in ("object", ["object"]):
            return True
        if not set(resolved.get("required", ())) <= value.keys():
            return True
        inner = resolved.get("properties", {}).items()
        return any(
            name in value and isinstance(part, Mapping) and "const" in part and part["const"] != value[name]
            for name, part in inner
        )


def _objects(
    root: _Root, schema: object, value: object, depth: int
) -> Iterator[tuple[Mapping[str, Any], Schema]]:
    """Every object in a value, with each schema that has `properties` for it."""
    forms = list(root.forms(schema, value, 0)) if depth < MAX_DEPTH else []
    if isinstance(value, Mapping):
        yield from ((value, form) for form in forms if isinstance(form.get("properties"), Mapping))
    for form, part in _inner(forms, value):
        yield from _objects(root, form, part[1], depth + 1)


def _inner(forms: Sequence[Schema], value: object) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """The parts of a value: the schema of each, its key or index, and the part."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for key, part in parts:
        schemas = [schema for form in forms if (schema := _schema_of(form, key)) is not None]
        yield (schemas[0] if len(schemas) == 1 else {"allOf": schemas}), (key, part)


def _schema_of(form: Schema, key: object) -> Any:
    if isinstance(key, str):
        inner = form.get("properties", {}).get(key)
        return form.get("additionalProperties") if inner is None else inner
    for name in ("prefixItems", "items"):
        part = form.get(name)
        if isinstance(part, list | tuple):
            if isinstance(key, int) and key < len(part):
                return part[key]
        elif part is not None:
            return part
    return form.get("additionalItems")


def _ordered(root: _Root, schema: object, value: object, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return value
    forms = list(root.forms(schema, value, 0))
    if isinstance(value, float) and value.is_integer() and any(map(_whole, forms)):
        return int(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    named = next((one for form in forms for one in _constants(form) if one == value), None)
    if named is not None:
        return named
    parts = {key: _ordered(root, inner, part, depth + 1) for inner, (key, part) in _inner(forms, value)}
    if not isinstance(value, Mapping):
        return list(parts.values())
    names = dict.fromkeys(name for form in forms for name in form.get("properties", ()))
    return {name: parts[name] for name in [*names, *value] if name in parts}


def _constants(form: Schema) -> list[Any]:
    return [form["const"]] if "const" in form else list(form.get("enum", ()))


def _whole(form: Schema) -> bool:
    types = form.get("type", ())
    return types == "integer" or "integer" in types or "enum" in form or "const" in form


def _shared(sequences: set[tuple[str, ...]], declared: Sequence[str]) -> list[str] | None:
    """The order closest to the declared one that holds all of the sequences; None if two contradict each
    other."""
    present = {name for names in sequences for name in names}
    after: dict[str, set[str]] = {name: set() for name in declared if name in present}
    for names in sequences:
        for position, name in enumerate(names):
            after[name].update(names[position + 1 :])
    order: list[str] = []
    while after:
        behind = set().union(*after.values())
        first = next((name for name in after if name not in behind), None)
        if first is None:
            return None
        order.append(first)
        del after[first]
    return order


def _rebuilt(schema: object, orders: Mapping[int, list[str]]) -> Any:
    if isinstance(schema, Mapping):
        names = schema.get("properties")
        rebuilt = {key: _rebuilt(part, orders) for key, part in schema.items()}
        order = orders.get(id(names))
        if order is not None and isinstance(names, Mapping):
            rest = [name for name in names if name not in order]
            rebuilt["properties"] = {
                name: rebuilt["properties"][name] for name in _merged(order, rest, names)
            }
        return rebuilt
    return [_rebuilt(part, orders) for part in schema] if isinstance(schema, list | tuple) else schema


def _merged(order: Sequence[str], rest: Sequence[str], declared: Mapping[str, object]) -> list[str]:
    """The targets' order; a name that no target has comes after the name that it follows in the schema."""
    merged, names = list(order), list(declared)
    for name in rest:
        before = [merged.index(one) for one in names[: names.index(name)] if one in merged]
        merged.insert(max(before, default=-1) + 1, name)
    return merged
