"""E-mail in one form: a sentence, and a link to the page on which to act (never a link that acts by itself)."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string


def send(to: str, text: str, *, url: str = "", extra: str = "") -> None:
    """Send one plain-text e-mail; its subject is `text`, cut to one line of 120 characters."""
    link = settings.BASE_URL + url if url.startswith("/") else url
    body = render_to_string("mail/message.txt", {"text": text, "link": link, "extra": extra})
    subject = " ".join(text.split())[:120]
    EmailMessage(subject=f"[Weir] {subject}", body=body, to=[to]).send()
