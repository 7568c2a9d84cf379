"""URLs of accounts: a person's own pages, registration and invitations, and the admins' pages."""

from django.urls import path

from accounts.views import own, people, programs, registration

app_name = "accounts"
urlpatterns = [
    path("", people.people, name="people"),
    path("me/", own.profile, name="profile"),
    path("me/sign-out-everywhere/", own.end_sessions, name="end_sessions"),
    path("tokens/", programs.tokens, name="tokens"),
    path("tokens/make/", programs.make_token, name="make_token"),
    path("tokens/<uuid:pk>/revoke/", programs.revoke_token, name="revoke_token"),
    path("device/", programs.device, name="device"),
    path("device/allow/", programs.allow_device, name="allow_device"),
    path("device/refuse/", programs.refuse_device, name="refuse_device"),
    path("notifications/", own.notifications, name="notifications"),
    path("notifications/unread/", own.unread, name="unread"),
    path("notifications/read/", own.read_all, name="read_all"),
    path("notifications/<uuid:pk>/read/", own.read_notification, name="read_notification"),
    path("register/", registration.register, name="register"),
    path("register/thanks/", registration.registered, name="registered"),
    path("register/confirm/<str:token>/", registration.confirm_address, name="confirm_address"),
    path("welcome/<str:secret>/", registration.welcome, name="welcome"),
    path("registrations/", people.registrations, name="registrations"),
    path("registrations/<uuid:pk>/approve/", people.approve_registration, name="approve_registration"),
    path("registrations/<uuid:pk>/refuse/", people.refuse_registration, name="refuse_registration"),
    path("invitations/", people.invitations, name="invitations"),
    path("invitations/new/", people.invite, name="invite"),
    path("invitations/<uuid:pk>/revoke/", people.revoke_invitation, name="revoke_invitation"),
    path("<uuid:pk>/", people.person, name="person"),
    path("<uuid:pk>/grant/", people.grant_role, name="grant_role"),
    path("<uuid:pk>/take/", people.take_role, name="take_role"),
    path("<uuid:pk>/suspend/", people.suspend, name="suspend"),
    path("<uuid:pk>/reinstate/", people.reinstate, name="reinstate"),
    path("<uuid:pk>/sign-out/", people.sign_out_person, name="sign_out_person"),
    path("<uuid:pk>/second-step/", people.reset_second_step, name="reset_second_step"),
]
