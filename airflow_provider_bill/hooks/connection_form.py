"""The connection form of Airflow before 3.2; newer ones build theirs from the provider's metadata."""

from __future__ import annotations

from typing import Any

from airflow_provider_bill.get_provider_info import CONNECTION_FIELDS
from airflow_provider_bill.hooks.connection import PLACEHOLDERS
from airflow_provider_bill.version_compat import AIRFLOW_V_3_0_PLUS


def form_widgets() -> dict[str, Any]:
    """Return the form's fields."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import StringField

    widgets: dict[str, Any] = {}
    for name, item in CONNECTION_FIELDS.items():
        label, description = lazy_gettext(item["label"]), _description(item)
        if item["schema"].get("format") == "password":
            widgets[name] = _secret_field(label, description)
        else:
            more = _choices(item) if AIRFLOW_V_3_0_PLUS else {}
            widgets[name] = StringField(label, widget=BS3TextFieldWidget(), description=description, **more)
    return widgets


def _description(item: dict[str, Any]) -> str:
    """Return the field's help, with the values that it takes: this form has no list of them with their words."""
    values, words = item["schema"].get("enum", ()), item["schema"].get("values_display", {})
    named = [f"{value} ({words[value]})" if value in words else value for value in values]
    return f"{item['description']}. One of: {', '.join(named)}" if named else str(item["description"])


def _choices(item: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a list of values of a field; Airflow 2 would refuse all other types of connection by it."""
    from wtforms.validators import any_of

    schema = item["schema"]
    return {"validators": [any_of(schema["enum"])], "default": schema.get("default")} if "enum" in schema else {}


def _secret_field(label: Any, description: str) -> Any:
    """Return a field that hands a stored secret back by Airflow's placeholder for it.

    The usual one comes back empty from an edit, and Airflow 2 takes that for a wish to delete the secret. Airflow takes
    no field of another class, but any widget.
    """
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget
    from wtforms import PasswordField

    if AIRFLOW_V_3_0_PLUS:
        return PasswordField(label, widget=BS3PasswordFieldWidget(), description=description)

    class KeepingWidget(BS3PasswordFieldWidget):  # type: ignore[misc] # untyped
        """A password box that never shows a secret, save one that was just typed and comes back with a mistake."""

        def __call__(self, field: Any, **kwargs: Any) -> Any:
            typed = field.raw_data[0] if field.raw_data else ""
            stored = PLACEHOLDERS[0] if field.data and not field.raw_data else ""
            return super().__call__(field, value=typed or stored, **kwargs)

    return PasswordField(label, widget=KeepingWidget(hide_value=False), description=description)
