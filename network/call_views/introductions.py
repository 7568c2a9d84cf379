"""The one call that is not signed with a known key: an unknown portal introduces itself."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common.errors import Refused
from common.http import body_json
from network.services import introductions

BODY = 4_000


@csrf_exempt
@login_not_required
@require_POST
def peers(request: HttpRequest) -> HttpResponse:
    """Note that a portal introduces itself. The answer is the same whatever becomes of it."""
    try:
        url = body_json(request, limit=BODY).get("url")
    except Refused:
        url = None
    if isinstance(url, str):
        introductions.asked(url)
    return JsonResponse({}, status=202)
