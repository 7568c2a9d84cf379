"""How allauth's pages behave in this portal."""

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Accounts begin with an invitation or a registration that an admin approves."""
