"""Draws the fields of a scenario as Streamlit controls and hands every change to the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import streamlit as st
import yaml
from trimtab.run.yaml_document import decode, parse

from trimtab_app import markup
from trimtab_app.fields import MISSING, Field
from trimtab_app.yaml_edit import REMOVED, flow

Path = tuple[str | int, ...]
_SCALARS = ("flag", "choice", "choices", "whole", "number", "text", "file", "files", "values")


@dataclass(frozen=True, slots=True)
class Form:
    """A form over plain data.

    Attributes:
        name: prefix of the controls' keys; another name forgets what was typed.
        data: what the file says; absent keys hold their defaults.
        files: names that file fields offer.
        messages: dotted key → what is wrong with it.
        change: called with the path and its new value, `REMOVED` for none.
    """

    name: str
    data: Mapping[str, Any]
    files: Sequence[str]
    messages: Callable[[str], list[str]]
    change: Callable[[Path, Any], None]

    def show(self, fields: Sequence[Field], path: Path) -> None:
        """Draw the fields of the mapping at `path`: single values first, two in a row."""
        simple = [f for f in fields if f.kind in _SCALARS]
        for pair in range(0, len(simple), 2):
            for column, field in zip(st.columns(2), simple[pair : pair + 2], strict=False):
                with column:
                    self._scalar(field, (*path, field.key))
        for field in fields:
            if field.kind not in _SCALARS:
                self._compound(field, (*path, field.key))

    def _value(self, path: Path, default: Any = MISSING) -> Any:
        found: Any = self.data
        for part in path:
            if not _holds(found, part):
                return default
            found = found[part]
        return found

    def _key(self, path: Path, suffix: str = "") -> str:
        return f"{self.name}:{'.'.join(map(str, path))}{suffix}"

    def _changed(self, path: Path, field: Field) -> Callable[[], None]:
        def report() -> None:
            value = st.session_state[self._key(path)]
            self.change(path, _plain(field, value))

        return report

    def _complain(self, path: Path) -> None:
        for message in self.messages(".".join(map(str, path))):
            markup.show(f'<p class="problem" role="alert">{escape(message)}</p>')

    def _scalar(self, field: Field, path: Path) -> None:
        given = self._value(path, field.default)
        about = {
            "label": _label(field),
            "key": self._key(path),
            "help": _help(field),
            "on_change": self._changed(path, field),
        }
        draw = getattr(self, f"_{field.kind}") if _fits(field, given) else self._any
        draw(field, given, about)
        self._complain(path)

    def _flag(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        st.toggle(value=bool(given is not MISSING and given), **about)

    def _choice(self, field: Field, given: Any, about: dict[str, Any]) -> None:
        options = [*([None] if field.nullable else []), *field.options]
        index = options.index(given) if given in options else None
        st.selectbox(options=options, index=index, format_func=_named, **about)

    def _choices(self, field: Field, given: Any, about: dict[str, Any]) -> None:
        st.multiselect(options=field.options, default=list(_listed(given)), **about)

    def _whole(self, field: Field, given: Any, about: dict[str, Any]) -> None:
        value = None if given in (MISSING, None) else int(given)
        limits = _limits(field, value)
        low, high = (None if limit is None else int(limit) for limit in limits)
        about = {**about, "placeholder": "not set", "step": 1}
        st.number_input(value=value, min_value=low, max_value=high, **about)

    def _number(self, field: Field, given: Any, about: dict[str, Any]) -> None:
        value = None if given in (MISSING, None) else float(given)
        limits = _limits(field, value)
        low, high = (None if limit is None else float(limit) for limit in limits)
        step = 0.1 if value is None or abs(value) < 10 else 1.0
        about = {**about, "placeholder": "not set", "step": step, "format": "%g"}
        st.number_input(value=value, min_value=low, max_value=high, **about)

    def _text(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        st.text_input(value="" if given in (None, MISSING) else str(given), **about)

    def _file(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        named = None if given in (None, MISSING) else str(given)
        options = list(dict.fromkeys([None, *self.files, *([named] if named else [])]))
        st.selectbox(options=options, index=options.index(named), format_func=_named, **about)

    def _files(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        named = [str(name) for name in _listed(given)]
        options = list(dict.fromkeys([*self.files, *named]))
        st.multiselect(
            options=options, default=named, placeholder="choose among your files", **about
        )

    def _values(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        st.text_input(value=", ".join(flow(item) for item in _listed(given)), **about)

    def _any(self, _: Field, given: Any, about: dict[str, Any]) -> None:
        """A value of another type than the field's: shown as it is, to be mended."""
        st.text_input(value=flow(given), **about)

    def _compound(self, field: Field, path: Path) -> None:
        given = self._value(path)
        title = _label(field)
        with st.expander(title, expanded=given not in (MISSING, None, [], {}), key=self._key(path)):
            if field.help:
                markup.lead(field.help)
            self._complain(path)
            if field.kind == "group":
                self._group(field, path, given)
            elif field.kind == "groups":
                self._groups(field, path, given)
            elif field.kind == "variant":
                self._variant(field, path, given)
            else:
                self._yaml(field, path, given)

    def _group(self, field: Field, path: Path, given: Any) -> None:
        if field.nullable:
            key = self._key(path, "?")
            there = st.toggle(
                f"Use {field.label.lower()}",
                value=isinstance(given, Mapping),
                key=key,
                on_change=lambda: self.change(path, {} if st.session_state[key] else REMOVED),
            )
            if not there:
                return
        self.show(field.fields, path)

    def _groups(self, field: Field, path: Path, given: Any) -> None:
        items = given if isinstance(given, list) else []
        for number in range(len(items)):
            with st.container(border=True, key=self._key((*path, number), "#")):
                self.show(field.fields, (*path, number))
                st.button(
                    f"Remove number {number + 1}",
                    key=self._key((*path, number), "-"),
                    on_click=self.change,
                    args=((*path, number), REMOVED),
                )
        started = {f.key: f.options[0] for f in field.fields if f.options and f.default is MISSING}
        st.button(
            f"Add to {field.label.lower()}",
            key=self._key(path, "+"),
            on_click=self.change,
            args=(path, [*items, started]),
        )

    def _variant(self, field: Field, path: Path, given: Any) -> None:
        variants = field.variants or {}
        default = field.default if isinstance(field.default, Mapping) else {}
        present = given if isinstance(given, Mapping) else default
        options = [*([None] if field.nullable else []), *variants]
        name = str(present.get(field.tag, ""))
        key = self._key(path, "=")
        st.selectbox(
            field.tag.replace("_", " ").capitalize(),
            options=options,
            index=options.index(name) if name in options else None,
            format_func=_named,
            key=key,
            on_change=lambda: self.change(path, _tagged(field.tag, st.session_state[key])),
        )
        if name in variants:
            self.show(variants[name], path)

    def _yaml(self, field: Field, path: Path, given: Any) -> None:
        value = field.default if given is MISSING else given
        empty = value in (MISSING, None, {}, [])
        text = "" if empty else yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        text = text.removesuffix("\n...\n")  # YAML's end of a document that is one word
        key = self._key(path, "!")

        def report() -> None:
            self.change(path, _read(st.session_state[key]))

        st.text_area(f"{field.label} (YAML)", value=text, key=key, height=100, on_change=report)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _tagged(tag: str, name: str | None) -> Any:
    return REMOVED if name is None else {tag: name}


def _label(field: Field) -> str:
    """As in "Horizon (h), 2 to 8760"; a star where the user must say."""
    needed = "" if field.default is not MISSING or field.kind in {"group", "flag"} else " *"
    unit = f" ({field.unit})" if field.unit else ""
    limits = f", {field.limits}" if field.limits else ""
    return f"{field.label}{unit}{limits}{needed}"


def _help(field: Field) -> str | None:
    return field.help.replace("[", "\\[") or None


def _named(option: Any) -> str:
    return "not set" if option is None else str(option)


def _listed(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else ()


def _limits(field: Field, value: float | None) -> tuple[float | None, float | None]:
    """Limits of the control; none where the value breaks them, so that it can be shown."""
    low, high = field.low, field.high
    inside = value is None or ((low is None or low <= value) and (high is None or value <= high))
    return (low, high) if inside else (None, None)


def _fits(field: Field, given: Any) -> bool:
    """Whether a value is of the type that the field's control edits."""
    if given is MISSING or (given is None and field.kind != "flag"):
        return True
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return {
        "flag": isinstance(given, bool),
        "whole": number and float(cast("float", given)).is_integer(),
        "number": number,
        "choice": given in field.options,
        "choices": isinstance(given, list) and all(one in field.options for one in given),
        "values": isinstance(given, list) and not any(isinstance(v, dict | list) for v in given),
        "files": isinstance(given, list) and all(isinstance(one, str) for one in given),
    }.get(field.kind, isinstance(given, str))


def _plain(field: Field, value: Any) -> Any:
    """What a control holds, as the file writes it."""
    if value is None or (value == "" and field.nullable):
        return REMOVED
    if field.kind == "values" and isinstance(value, str):
        return _read(f"[{value}]")
    if field.kind in {"whole", "number"} and isinstance(value, str):
        return _read(value)
    if field.kind == "number":
        number = float(cast("float", value))
        return number if number.is_integer() and abs(number) < 1e15 else value
    return value


def _read(text: str) -> Any:
    """Plain data of a piece of YAML; what cannot be read stays text, for validation to name."""
    if not text.strip():
        return REMOVED
    try:
        document = parse(decode(text.encode(), "field"), "field")
    except ValueError:
        return text
    return text if document.faults else document.data
