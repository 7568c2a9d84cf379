"""Every page of the portal."""

from django.urls import include, path

from portal import views

urlpatterns = [
    path("", views.home, name="home"),
    path("account/signup/", views.sign_up, name="sign_up"),
    path("account/email/", views.closed),
    path("account/password/set/", views.closed),
    path("components/", views.components, name="components"),
    path("account/", include("allauth.account.urls")),
    path("account/mfa/", include("allauth.mfa.urls")),
    path("people/", include("accounts.urls")),
    path("datasets/", include("datasets.urls")),
    path("requests/", include("requests_app.urls")),
    path("answers/", include("privacy.urls")),
    path("audit/", include("audit.urls")),
]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.forbidden"
handler404 = "portal.views.not_found"
handler429 = "portal.views.too_many"
handler500 = "portal.views.failed"
