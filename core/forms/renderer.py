"""How every form of the portal is drawn: one template a field, label, hint, error and input in that order."""

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

# Django walks three templates for each of these; writing the tag here makes a page of fields several times cheaper.
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
    """A field of a form on a page, with what the portal's templates say about it.

    A form may name in `conditional_fields` those that are asked only after another answer: they carry no mark.
    A field may carry `rules`, the texts shown under a new password.
    """

    @property
    def aria_describedby(self) -> str | None:
        """Ids of the hint, the error and the rules, in the order in which they are read."""
        ids = super().aria_describedby
        if ids is None or not self.rules:
            return ids
        return f"{ids} {self.auto_id}_rules".strip()

    @property
    def rules(self) -> Any:
        """Objects with a `key` and a `text`, shown under a new password."""
        return getattr(self.field, "rules", ())

    @property
    def spoken_name(self) -> str | Promise:
        """What the show/hide button of a password says it shows: set `spoken_name` on the field when there are two."""
        return getattr(self.field, "spoken_name", _("le mot de passe"))

    @property
    def target_id(self) -> str:
        """Id that the error summary links to: the first of several radios or parts."""
        return f"{self.auto_id}_0" if self.use_fieldset else str(self.auto_id)

    @property
    def mark(self) -> Mark:
        """What the label says about being mandatory (RGAA 11.10): nothing in a form of one field."""
        questions = self._questions()
        if len(questions) < 2 or self.name not in questions:
            return ""
        if not self.has_optional_siblings:
            return "required"
        return "" if self.field.required else "optional"

    @property
    def has_optional_siblings(self) -> bool:
        """Whether the form says, above its first field, that all is mandatory unless marked."""
        questions = self._questions()
        return len(questions) > 1 and not all(questions.values())

    def _questions(self) -> dict[str, bool]:
        """Name and mandatory state of the fields that a person fills in or chooses, boxes to tick left out."""
        conditional = getattr(self.form, "conditional_fields", ())
        return {
            name: field.required
            for name, field in self.form.fields.items()
            if name not in conditional and not field.widget.is_hidden and not isinstance(field.widget, CheckboxInput)
        }


class PortalRenderer(TemplatesSetting):
    """Renders forms and fields with the templates of the portal, and simple inputs without any template."""

    form_template_name = "partials/form.html"
    field_template_name = "partials/field.html"
    bound_field_class = PortalBoundField

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        """The HTML of a form, a field or a widget."""
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
