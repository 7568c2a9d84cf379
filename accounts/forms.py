"""Forms for accounts: invitations, registrations, roles, profiles and passwords."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from accounts import addresses, names, secrets, time_zones
from accounts.models import ROLE_HELP, Role, User
from accounts.topics import TOPIC_HELP, Topic
from common.errors import Refused
from common.rest.grants import SCOPES


class AddressField(forms.EmailField):
    """An e-mail address, cleaned to the form in which it is stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label": "E-mail address", "max_length": addresses.LONGEST, **kwargs})

    def to_python(self, value: Any) -> str:
        return _cleaned(addresses.exact, super().to_python(value))


class NameField(forms.CharField):
    """A person's name, cleaned to the form in which it is stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label": "Name", "max_length": names.LONGEST, **kwargs})

    def to_python(self, value: Any) -> str:
        return _cleaned(names.clean, super().to_python(value))


def _cleaned(clean: Callable[[str], str], typed: str | None) -> str:
    """Return the cleaned text; turn a refusal into a form error beside the field."""
    try:
        return clean(typed) if typed else ""
    except Refused as refused:
        raise ValidationError(str(refused)) from refused


def zone_choices() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in time_zones.offered()]


def _roles_field() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Roles",
        choices=[(role.value, f"{role.label}: {ROLE_HELP[role]}") for role in Role],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Choose none for somebody who only reviews: the owner of a dataset makes them a reviewer.",
    )


def _reason_field(text: str) -> forms.CharField:
    return forms.CharField(
        label="Reason",
        max_length=500,
        help_text=text,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ReasonForm(forms.Form):
    """The reason for a change to a person's account."""

    reason = _reason_field("Recorded in the audit log and sent to the person.")


class RoleForm(ReasonForm):
    """A role and the reason for granting or revoking it."""

    role = forms.ChoiceField(label="Role", choices=Role.choices)
    field_order = ["role", "reason"]


class InviteForm(forms.Form):
    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    roles = _roles_field()


class ApproveForm(forms.Form):
    roles = _roles_field()
    name = NameField(required=False)


class PeopleFilter(forms.Form):
    """Filters of the list of people. Invalid values in the URL are ignored."""

    text = forms.CharField(label="Search", required=False, max_length=100)
    role = forms.ChoiceField(label="Role", required=False, choices=[("", "Every role"), *Role.choices])
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Every state"), *((s.value, s.label) for s in User.State if s != User.State.SYSTEM)],
    )

    def chosen(self) -> dict[str, str]:
        """Return the filters that are valid."""
        self.is_valid()
        return {name: str(value) for name, value in self.cleaned_data.items()}


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    name = NameField(help_text="The name your colleagues know you by. Changes are recorded in the audit log.")
    time_zone = forms.ChoiceField(
        label="Time zone", choices=zone_choices, help_text="Dates are shown in this zone."
    )
    mail_topics = forms.MultipleChoiceField(
        label="Send me e-mail about",
        choices=[(topic.value, f"{topic.label}: {TOPIC_HELP[topic]}") for topic in Topic],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="The portal shows every notification. E-mails about the security of your account are always sent.",
    )

    class Meta:
        model = User
        fields = ["name", "affiliation", "time_zone", "mail_topics"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance.time_zone  # may be an older name, which stays until the person chooses another
        if kept not in time_zones.offered():
            field = cast("forms.ChoiceField", self.fields["time_zone"])
            field.choices = [(kept, kept.replace("_", " ")), *zone_choices()]

    def clean_mail_topics(self) -> list[str]:
        """Return the chosen topics; none at all if the person used the button that switches all off."""
        return [] if "no_mail" in self.data else self.cleaned_data["mail_topics"]


class NewAccountForm(forms.Form):
    """A name and a password: what every new account needs."""

    name = NameField(widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label="Password",
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. A few words in a row are easy to remember and hard to guess.",
    )
    repeated = forms.CharField(
        label="Repeat the password",
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=zone_choices,
        initial="UTC",
        widget=forms.Select(attrs={"data-browser-zone": ""}),
        help_text="Dates are shown in this zone. It can be changed later.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        password = given.get("password", "")
        if password and given.get("repeated") and password != given["repeated"]:
            self.add_error("repeated", "The two passwords differ. Enter the same one twice.")
        if password:
            self._check(password, given)
        return given

    def _check(self, password: str, given: dict[str, Any]) -> None:
        person = User(email=given.get("email", self.initial.get("email", "")), name=given.get("name", ""))
        try:
            password_validation.validate_password(password, person)
        except ValidationError as weak:
            self.add_error("password", weak)


class FirstAdminForm(NewAccountForm):
    """The form of the first admin, who also enters an e-mail address."""

    email = AddressField(widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    field_order = ["email", "name", "password", "repeated", "time_zone"]


class RegisterForm(FirstAdminForm):
    """A request for an account, on which an admin decides."""

    affiliation = forms.CharField(
        label="Affiliation", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    note = forms.CharField(
        label="What do you want to do here?",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Say which data you need, what for, and who can vouch for you.",
    )
    field_order = ["email", "name", "affiliation", "note", "password", "repeated", "time_zone"]


class TokenForm(forms.Form):
    """What a new access token may do, where, and for how long."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="The program or machine that will use it.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(name, f"{name}: {text}") for name, text in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        error_messages={"required": "Choose at least one scope."},
        help_text="Never more than you may do yourself.",
    )
    reach = forms.ChoiceField(
        label="Datasets",
        choices=[("all", "Every dataset that I see, now or later"), ("chosen", "Only some")],
        widget=forms.RadioSelect,
        initial="all",
    )
    datasets = forms.TypedMultipleChoiceField(
        label="Which datasets", coerce=UUID, required=False, widget=forms.CheckboxSelectMultiple
    )
    days = forms.IntegerField(
        label="Days until it expires",
        min_value=1,
        max_value=365,
        initial=30,
        help_text="At most 365, and at most 30 with publish, budgets or review.",
    )

    def __init__(self, *args: Any, titles: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields["datasets"]
        if isinstance(offered, forms.ChoiceField) and titles:
            offered.choices = list(titles.items())
        else:
            del self.fields["reach"], self.fields["datasets"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("reach") == "chosen" and given.get("datasets") == []:
            self.add_error("datasets", "Choose at least one dataset, or every dataset.")
        if "reach" not in self.fields and self.data.get(self.add_prefix("reach"), "all") != "all":
            raise ValidationError(
                "You no longer see any dataset to choose from, so no token was made. Send the form again for a "
                "token that reaches whatever you will see."
            )
        return given

    def dataset_ids(self) -> list[UUID] | None:
        """Return the chosen datasets, or None for all."""
        return self.cleaned_data["datasets"] if self.cleaned_data.get("reach") == "chosen" else None


class DeviceForm(forms.Form):
    """The code that a program shows to the person who signs it in."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="Eight letters, such as BCDF-GHJK. The program shows them.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "class": "user-code",
            }
        ),
    )

    def clean_code(self) -> str:
        code = secrets.typed(self.cleaned_data["code"])
        if not code:
            raise ValidationError(
                "This is not a code of a program. A code has eight letters, as in BCDF-GHJK."
            )
        return code
