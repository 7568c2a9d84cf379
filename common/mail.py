"""Mail, in one shape: a sentence and a link to the page where one may act (never a link that acts)."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string


def send(to: str, text: str, *, url: str = "", extra: str = "") -> None:
    """Send one plain-text mail; its subject is `text`, kept to one line of 120 characters."""
    link = settings.BASE_URL + url if url.startswith("/") else url
    body = render_to_string("mail/message.txt", {"text": text, "link": link, "extra": extra})
    subject = " ".join(text.split())[:120]
    EmailMessage(subject=f"[Weir] {subject}", body=body, to=[to]).send()
