"""The fields of a form, read off a scenario model's JSON Schema: kind, unit, range, help.

Nothing here knows a domain: whatever a plug-in declares in its pydantic model becomes a form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal[
    "flag", "choice", "choices", "whole", "number", "text", "file", "files", "values", "group",
    "groups", "variant", "yaml",
]  # fmt: skip
MISSING = object()
"""Stands for "no default": the user must say."""

UNITS = {
    "s": "s", "ms": "ms", "us": "µs", "ns": "ns", "ps": "ps", "min": "min", "h": "h", "d": "d",
    "years": "years", "m": "m", "mm": "mm", "um": "µm", "nm": "nm", "cm": "cm", "km": "km",
    "m2": "m²", "m3": "m³", "kmh": "km/h", "mps": "m/s", "w": "W", "kw": "kW", "mw": "mW",
    "wh": "Wh", "kwh": "kWh", "mwh": "MWh", "v": "V", "mv": "mV", "kv": "kV", "a": "A", "ma": "mA",
    "ua": "µA", "ohm": "Ω", "pf": "pF", "ff": "fF", "hz": "Hz", "khz": "kHz", "mhz": "MHz",
    "ghz": "GHz", "db": "dB", "dbm": "dBm", "deg": "°", "pct": "%", "percent": "%", "eur": "€",
    "usd": "$", "kg": "kg", "bytes": "B", "kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB",
    "mib": "MiB", "gib": "GiB", "bits": "bit", "ck": "clock cycles", "j": "J", "mj": "mJ",
}  # fmt: skip
"""Last part of a key → its unit, as keys of scenario files carry them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or a group of them.

    Attributes:
        key: of the scenario file.
        kind: which control edits it.
        label: in words, without the unit.
        nullable: may be left out for "none".
        default: what holds where the key is absent; `MISSING` where it must be given.
        low, high: inclusive limits of a number; `strict` limits are not inclusive.
        options: of a choice.
        fields: of a group, or of each item of `groups`.
        variants: name of the alternative → its fields; `tag` is the key that holds the name.
    """

    key: str
    kind: Kind
    label: str
    unit: str = ""
    help: str = ""
    nullable: bool = False
    default: Any = MISSING
    low: float | None = None
    high: float | None = None
    strict_low: float | None = None
    strict_high: float | None = None
    options: tuple[Any, ...] = ()
    fields: tuple[Field, ...] = ()
    variants: Mapping[str, tuple[Field, ...]] | None = None
    tag: str = ""

    @property
    def limits(self) -> str:
        """The range in words: "60 to 86400", "more than 0", or nothing."""
        low = _limit("at least {}", self.low) or _limit("more than {}", self.strict_low)
        high = _limit("at most {}", self.high) or _limit("less than {}", self.strict_high)
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return ", ".join(part for part in (low, high) if part)


def _limit(text: str, value: float | None) -> str:
    return "" if value is None else text.format(f"{value:g}")


def fields_of(model: type[BaseModel]) -> tuple[Field, ...]:
    """The fields of a model, in its order."""
    schema = model.model_json_schema(by_alias=True)
    return _Reader(schema.get("$defs", {})).object(schema)


def words(key: str) -> tuple[str, str]:
    """A key in words, and the unit that its last part names."""
    *parts, last = key.split("_")
    unit = UNITS.get(last, "") if parts and parts[-1] != "per" else ""
    text = " ".join(parts if unit else [*parts, last])
    return text[:1].upper() + text[1:], unit


@dataclass(frozen=True, slots=True)
class _Reader:
    definitions: Mapping[str, Any]

    def object(self, schema: Mapping[str, Any]) -> tuple[Field, ...]:
        required = set(schema.get("required", ()))
        return tuple(
            self.field(key, part, required=key in required)
            for key, part in schema.get("properties", {}).items()
        )

    def field(self, key: str, schema: Mapping[str, Any], *, required: bool) -> Field:
        inner, nullable = self._without_null(schema)
        inner = self._resolved(inner)
        label, unit = words(key)
        default = MISSING if required else schema.get("default", inner.get("default"))
        about: dict[str, Any] = {
            "key": key,
            "label": label,
            "unit": unit,
            "help": schema.get("description", inner.get("description", "")),
            "nullable": nullable,
            "default": default,
        }
        return Field(**about, **self._kind(inner))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found = self.definitions[str(reference).rpartition("/")[2]]
        return {**found, **{k: v for k, v in schema.items() if k != "$ref"}}

    def _without_null(self, schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        options = schema.get("anyOf")
        if options is None:
            return schema, False
        others = [option for option in options if option.get("type") != "null"]
        nullable = len(others) < len(options)
        if len(others) == 1:
            return others[0], nullable
        kinds = {self._resolved(option).get("type") for option in others}
        if kinds == {"integer", "number"}:
            return {"type": "number"}, nullable
        return {"oneOf": others, "discriminator": schema.get("discriminator", {})}, nullable

    def _kind(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if "enum" in schema or "const" in schema:
            return {"kind": "choice", "options": tuple(schema.get("enum", [schema.get("const")]))}
        if "oneOf" in schema:
            return self._variant(schema)
        match schema.get("type"):
            case "boolean":
                return {"kind": "flag"}
            case "integer" | "number" as name:
                return {"kind": "whole" if name == "integer" else "number", **_range(schema)}
            case "string":
                return {"kind": "file" if schema.get("format") == "path" else "text"}
            case "array":
                return self._array(schema)
            case "object" if "properties" in schema:
                return {"kind": "group", "fields": self.object(schema)}
        return {"kind": "yaml"}

    def _array(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        items = self._resolved(schema.get("items", {}))
        if "enum" in items:
            return {"kind": "choices", "options": tuple(items["enum"])}
        if items.get("format") == "path":
            return {"kind": "files"}
        if items.get("type") in {"integer", "number", "string"}:
            return {"kind": "values"}
        if items.get("type") == "object" and "properties" in items:
            return {"kind": "groups", "fields": self.object(items)}
        return {"kind": "yaml"}

    def _variant(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        tag = schema.get("discriminator", {}).get("propertyName", "")
        found: dict[str, tuple[Field, ...]] = {}
        for option in map(self._resolved, schema["oneOf"]):
            name = option.get("properties", {}).get(tag, {})
            name = name.get("const", (name.get("enum") or [None])[0])
            if name is None:
                return {"kind": "yaml"}
            found[str(name)] = tuple(f for f in self.object(option) if f.key != tag)
        return {"kind": "variant", "variants": found, "tag": tag}


def _range(schema: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "low": "minimum",
        "high": "maximum",
        "strict_low": "exclusiveMinimum",
        "strict_high": "exclusiveMaximum",
    }
    return {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}
