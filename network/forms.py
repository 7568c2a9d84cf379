"""Forms about other portals. They check the form of the input; rules and services decide."""

from collections.abc import Iterable
from typing import Any

from django import forms

from network.models import Listing, Peer
from network.search import HERE


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
