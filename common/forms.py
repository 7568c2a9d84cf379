"""How every form looks."""

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
    """A field that knows the portal's classes, so that forms need not say them."""

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
        """What stands beside the label: `optional`, or when the field is needed after all (attribute data-needed)."""
        needed = self.field.widget.attrs.get("data-needed", "")
        return "" if self.field.required else str(needed or "optional")

    @property
    def is_checkbox(self) -> bool:
        """A single box whose label stands to its right."""
        return isinstance(self.field.widget, forms.CheckboxInput)

    @property
    def is_choices(self) -> bool:
        """Several boxes under one legend."""
        return isinstance(self.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple)


def _repeats(placeholder: str, label: str) -> bool:
    """Whether a placeholder says only what the label says already."""
    said, known = placeholder.lower(), label.lower()
    return bool(said) and (said in known or known in said)


class Renderer(TemplatesSetting):
    """Fields with label, help and errors in the portal's own markup."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    bound_field_class = Field
