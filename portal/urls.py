"""Root URL configuration."""

from allauth.account import views as door
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from network import incoming
from network.call_views import own
from portal import inbox_page, views

account = [  # listed one by one: allauth's other pages would change accounts without an audit entry
    path("login/", door.login, name="account_login"),
    path("logout/", door.logout, name="account_logout"),
    path("inactive/", door.account_inactive, name="account_inactive"),
    path("reauthenticate/", door.reauthenticate, name="account_reauthenticate"),
    path("signup/", views.sign_up, name="account_signup"),
    path("password/change/", door.password_change, name="account_change_password"),
    path("password/set/", views.closed, name="account_set_password"),
    path("password/reset/", door.password_reset, name="account_reset_password"),
    path("password/reset/done/", door.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        door.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        door.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("mfa/webauthn/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("mfa/", include("allauth.mfa.urls")),
]

urlpatterns = [
    path("", views.home, name="home"),
    path("inbox/", inbox_page.inbox, name="inbox"),
    path("components/", views.components, name="components"),
    path("account/", include(account)),
    path("people/", include("accounts.urls")),
    path("datasets/", include("datasets.urls")),
    path("requests/", include("requests_app.urls")),
    path("answers/", include("privacy.urls")),
    path("network/", include("network.urls")),
    path("studies/", include("studies.urls")),
    path(".well-known/weir-card", own.card, name="weir_card"),
    path("net/1/", include("network.call_urls")),
    path("net/1/", include("studies.call_urls")),
    re_path(r"^net/", incoming.nothing, name="no_call"),
    path("audit/", include("audit.urls")),
    path("log/", include("audit.log_urls")),
    path("api/v1/", include("portal.api.urls")),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.forbidden"
handler404 = "portal.views.not_found"
handler429 = "portal.views.too_many"
handler500 = "portal.views.failed"
