"""Forms for the network: this portal's identity, introductions and the standing of other portals."""

from collections.abc import Iterable
from typing import Any

from django import forms

from common.reasons import LIMIT
from network.models import Listing, Peer
from network.search import HERE

NAME = 100
ADDRESS = 200
TEXT = 4000
COMPARED_WITH = 150
OFF = {"autocomplete": "off"}


def _name(text: str) -> forms.CharField:
    return forms.CharField(label="Name", max_length=NAME, help_text=text, widget=forms.TextInput(attrs=OFF))


class NameForm(forms.Form):
    """The name of this portal's institution."""

    name = _name("The institution, as other portals show it, such as University Hospital of Norrby.")


class DirectoryForm(forms.Form):
    """Whether this portal is a directory."""

    is_directory = forms.BooleanField(
        label="Show the portals that we work with to each other",
        required=False,
        help_text="Their names and addresses, not their datasets. The card of this portal says that it does so.",
    )


class RecoverForm(forms.Form):
    """The recovery key, typed from where it is kept."""

    recovery_key = forms.CharField(
        label="Recovery key",
        max_length=200,
        help_text="As it was printed. Spaces, dashes and capitals make no difference.",
        widget=forms.TextInput(attrs={**OFF, "spellcheck": "false", "class": "mono"}),
    )


class AddressForm(forms.Form):
    """The address of another portal."""

    address = forms.CharField(
        label="Address of the other portal",
        max_length=ADDRESS,
        help_text="As its people type it into the browser, such as https://weir.example.org.",
        widget=forms.TextInput(attrs={**OFF, "inputmode": "url", "spellcheck": "false"}),
    )


class ComparedForm(forms.Form):
    """That an admin compared a fingerprint, and with whom."""

    fingerprint = forms.CharField(max_length=200, widget=forms.HiddenInput)
    compared_with = forms.CharField(
        label="Compared with",
        max_length=COMPARED_WITH,
        help_text="The name of the admin of the other portal whom you spoke to. It is recorded in the audit log.",
        widget=forms.TextInput(attrs=OFF),
    )
    compared = forms.BooleanField(
        label="We read the fingerprint to each other, and every group is the same.",
        error_messages={"required": "Compare the fingerprint first, group by group."},
    )


class IntroduceForm(ComparedForm):
    """The same about a portal that is not known yet."""

    address = forms.CharField(max_length=ADDRESS, widget=forms.HiddenInput)


class KeptForm(forms.Form):
    """That the recovery key is kept."""

    kept = forms.BooleanField(
        label="The recovery key is printed or written down, and kept where others cannot take it.",
        error_messages={"required": "Print the recovery key or write it down first."},
    )


class ReasonForm(forms.Form):
    """The reason for suspending, resuming or removing another portal."""

    reason = forms.CharField(
        label="Reason",
        max_length=LIMIT,
        help_text="Stored in the audit log. The other portal does not see it.",
        widget=forms.TextInput(attrs=OFF),
    )


class ChangeForm(forms.Form):
    """The decision on another name or address. The form repeats what the admin saw."""

    verdict = forms.ChoiceField(choices=[("accept", "Accept"), ("refuse", "Refuse")])
    name = forms.CharField(required=False, max_length=NAME, strip=False)
    url = forms.CharField(required=False, max_length=ADDRESS, strip=False)

    def seen(self) -> dict[str, str]:
        """Return the wishes that the page showed."""
        return {name: self.cleaned_data[name] for name in ("name", "url") if self.cleaned_data[name]}


class FindFilter(forms.Form):
    """The filter of the search across portals. Invalid values in the address are ignored."""

    text = forms.CharField(label="Search", required=False, max_length=100)
    portal = forms.ChoiceField(label="Portal", required=False)

    def __init__(self, *args: Any, peers: Iterable[Peer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["portal"].choices = [  # type: ignore[attr-defined]  # it is a field of choices
            ("", "All portals"),
            (HERE, "This portal"),
            *((str(peer.pk), str(peer)) for peer in peers),
        ]

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: str(value) for name, value in self.cleaned_data.items()}


class ListingForm(forms.Form):
    """Which other portals see a dataset."""

    audience = forms.ChoiceField(
        label="Who may see it", choices=Listing.Audience.choices, widget=forms.RadioSelect
    )
    portals = forms.ModelMultipleChoiceField(
        label="Portals",
        queryset=Peer.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="They count if you chose “The portals chosen below”.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        peers = Peer.objects.filter(state=Peer.State.ACTIVE)
        self.fields["portals"].queryset = peers  # type: ignore[attr-defined]  # it is a field of rows
        self.has_portals = peers.exists()


class AskElsewhereForm(forms.Form):
    """What a person asks another portal for. The form repeats the terms that they saw."""

    purpose = forms.CharField(
        max_length=TEXT,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="The question that you want to answer, and for whom. An admin and the owner there read it.",
    )
    outputs = forms.CharField(
        label="Intended outputs",
        max_length=TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The figures, tables or models that you want released.",
    )
    terms = forms.IntegerField(required=False, widget=forms.HiddenInput)
    accepts = forms.BooleanField(
        label="I have read these terms and accept them.",
        error_messages={"required": "Accept the terms, or do not ask."},
    )
    agreed = forms.BooleanField(
        label="The other portal may be told my name, my e-mail address and my affiliation, as written here.",
        error_messages={"required": "The other portal has to be told who you are."},
    )

    def __init__(self, *args: object, with_terms: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on
        if not with_terms:
            del self.fields["accepts"]


class RefuseForm(forms.Form):
    """Why somebody is not admitted."""

    reason = forms.CharField(
        label="Reason", max_length=LIMIT, help_text="The person reads it.", widget=forms.TextInput
    )
