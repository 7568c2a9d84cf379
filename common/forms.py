"""Rendering of every form: the portal's CSS classes and markup."""

from typing import Any

from django import forms
from django.forms import widgets
from django.forms.boundfield import BoundField
from django.forms.renderers import TemplatesSetting

CLASSES: dict[type[forms.Widget], str] = {
    forms.HiddenInput: "",
    forms.CheckboxInput: "form-check-input",
    forms.RadioSelect: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.Select: "form-select",
    widgets.Input: "form-control",
    forms.Textarea: "form-control",
}


class Field(BoundField):
    """A bound field that adds the portal's CSS classes, so that forms need not name them."""

    def build_widget_attrs(
        self, attrs: dict[str, str | bool], widget: forms.Widget | None = None
    ) -> dict[str, str | bool]:
        widget = widget or self.field.widget
        built = super().build_widget_attrs(attrs, widget)
        own = next((name for kind, name in CLASSES.items() if isinstance(widget, kind)), "")
        given = str(widget.attrs.get("class", ""))
        if _repeats(str(widget.attrs.get("placeholder", "")), str(self.label)):
            built["placeholder"] = False
        if classes := f"{own} {given}".strip():
            built["class"] = classes
        return built

    @property
    def mark(self) -> str:
        """The note beside the label: `optional`, or when the field is needed after all (attribute data-needed)."""
        needed = self.field.widget.attrs.get("data-needed", "")
        return "" if self.field.required else str(needed or "optional")

    @property
    def is_checkbox(self) -> bool:
        """Whether this is a single checkbox, whose label is to its right."""
        return isinstance(self.field.widget, forms.CheckboxInput)

    @property
    def is_choices(self) -> bool:
        """Whether this is a group of boxes under one legend."""
        return isinstance(self.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple)


def _repeats(placeholder: str, label: str) -> bool:
    """Whether a placeholder only repeats the label."""
    shown, known = placeholder.lower(), label.lower()
    return bool(shown) and (shown in known or known in shown)


class Renderer(TemplatesSetting):
    """Renders fields with label, help and errors in the portal's own markup."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    bound_field_class = Field


def whole_number(label: str, least: int, most: int, **more: Any) -> forms.IntegerField:
    """Return an optional field of a whole number, which says its limits in any refusal. `more`: as for IntegerField."""
    refusal = f"Enter a whole number from {least:,} to {most:,}."
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        max_value=most,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), refusal),
        **more,
    )
