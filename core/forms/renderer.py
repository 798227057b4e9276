from collections.abc import Mapping
from typing import Any, Literal

from django.forms import BoundField, CheckboxInput
from django.forms.renderers import TemplatesSetting
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

Mark = Literal["", "required", "optional"]

# Rendered without a template: Django walks three for each (docs/performance.md).
PLAIN_INPUTS = frozenset(
    f"django/forms/widgets/{name}.html"
    for name in (
        "text",
        "email",
        "tel",
        "search",
        "number",
        "password",
        "hidden",
        "date",
        "checkbox",
        "radio_option",
        "checkbox_option",
        "input",
    )
)


class PortalBoundField(BoundField):
    """Adds what the portal's templates show.

    Fields that a form names in `conditional_fields`, asked only after another answer, have no mark.
    """

    @property
    def aria_describedby(self) -> str | None:
        """Ids of hint, errors and rules, in reading order."""
        ids = super().aria_describedby
        if ids is None or not self.rules:
            return ids
        return f"{ids} {self.auto_id}_rules".strip()

    @property
    def rules(self) -> Any:
        """Objects with `key` and `text`, shown below a new password."""
        return getattr(self.field, "rules", ())

    @property
    def spoken_name(self) -> str | Promise:
        return getattr(self.field, "spoken_name", _("le mot de passe"))

    @property
    def target_id(self) -> str:
        """Id that the error summary links to: the first of several inputs."""
        return f"{self.auto_id}_0" if self.use_fieldset else str(self.auto_id)

    @property
    def mark(self) -> Mark:
        """Required or optional (RGAA 11.10); empty in a form of one field."""
        questions = self._questions()
        if len(questions) < 2 or self.name not in questions:
            return ""
        if not self.has_optional_siblings:
            return "required"
        return "" if self.field.required else "optional"

    @property
    def has_optional_siblings(self) -> bool:
        """Whether the form says, above its first field, that unmarked fields are required."""
        questions = self._questions()
        return len(questions) > 1 and not all(questions.values())

    def _questions(self) -> dict[str, bool]:
        """Visible unconditional fields other than checkboxes, and whether they are required."""
        conditional = getattr(self.form, "conditional_fields", ())
        return {
            name: field.required
            for name, field in self.form.fields.items()
            if name not in conditional and not field.widget.is_hidden and not isinstance(field.widget, CheckboxInput)
        }


class PortalRenderer(TemplatesSetting):
    """Uses the portal's templates for forms and fields, and none for simple inputs."""

    form_template_name = "partials/form.html"
    field_template_name = "partials/field.html"
    bound_field_class = PortalBoundField

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        widget = context.get("widget")
        if template_name in PLAIN_INPUTS and widget is not None and not widget.get("wrap_label"):
            return _input_tag(widget)
        return super().render(template_name, context, request)


def _input_tag(widget: Mapping[str, Any]) -> SafeString:
    value = widget["value"]
    attributes = {"type": widget["type"], "name": widget["name"]}
    if value is not None:
        attributes["value"] = str(value)
    return format_html("<input{}>", flatatt(attributes | widget["attrs"]))
