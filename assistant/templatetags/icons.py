"""{% icon "name" %}: a line icon of static/icons/icons.svg. Decorative: the control around it carries the accessible name."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """The icon `name`, 16 by 16; `extra` adds classes."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        f" {extra}" if extra else "",
        static("icons/icons.svg"),
        name,
    )


@register.filter
def initials(name: str) -> str:
    """Up to two letters that stand for a person: Ben Okafor becomes BO."""
    words = str(name).split()
    return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words)).upper()
