from urllib.parse import urlencode

from django.urls import reverse

#: Query parameter of the login page that asks for the portal's own form.
OWN_FORM = "ici"


def login_page(name: str, next_page: str, **query: str) -> str:
    """The URL of the page `name`, with the page to go on to ("" for none)."""
    if next_page:
        query["next"] = next_page
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)
