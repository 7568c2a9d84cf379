"""How every form looks."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Fields with label, help and errors in the portal's own markup."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
