"""The university's logo and colour, served by the portal itself: the policy of its pages allows no other host. Also
security.txt.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

#: Their addresses change with their content.
KEPT_A_YEAR = "public, max-age=31536000, immutable"
#: Those who keep the file read it again before.
SECURITY_TXT_LIFETIME = timedelta(days=90)


@login_not_required
@require_safe
def logo(request: HttpRequest) -> HttpResponse:
    found = settings.UNIVERSITY_LOGO
    if found is None:
        raise Http404
    return _kept(found.content, found.media_type)


@login_not_required
@require_safe
def colours(request: HttpRequest) -> HttpResponse:
    """The strip and the monogram; buttons and links keep colours that contrast in the dark too."""
    if not settings.UNIVERSITY_COLOUR:
        raise Http404
    css = f":root {{ --identity: {settings.UNIVERSITY_COLOUR}; --on-identity: #fff; }}\n"
    return _kept(css.encode(), "text/css; charset=utf-8")


@login_not_required
@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116."""
    contact = settings.SECURITY_CONTACT
    lines = {
        "Contact": contact if "://" in contact else f"mailto:{contact}",
        "Expires": f"{timezone.now() + SECURITY_TXT_LIFETIME:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages": ", ".join(code for code, _name in settings.LANGUAGES),
        "Canonical": f"{settings.PORTAL_URL}{request.path}",
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _kept(content: bytes, media_type: str) -> HttpResponse:
    return HttpResponse(content, content_type=media_type, headers={"Cache-Control": KEPT_A_YEAR})
